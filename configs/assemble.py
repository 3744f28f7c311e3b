# SPDX-License-Identifier: Apache-2.0
"""A run's configuration out of what a command line says: a configuration, flags, and assignments, in this order.

Flags win over the configuration, `--set` wins over flags: a command that was pasted can be changed at its end.
"""

from collections.abc import Iterable, Mapping

from configs.flags import FLAGS
from dnnlib.config import ConfigError, from_tree, to_tree
from dnnlib.config_paths import assign, override
from dnnlib.config_types import Model
from training.run_config import RunConfig


def assemble(base: RunConfig, flags: Mapping[str, str], assignments: Iterable[str] = ()) -> RunConfig:
    """`flags` are texts by the names of the table."""
    return override(with_flags(base, flags), assignments)


def with_flags(config: RunConfig, flags: Mapping[str, str]) -> RunConfig:
    tree, spec = to_tree(config), Model(RunConfig)
    for flag in FLAGS:
        if flag.name not in flags:
            continue
        text = flags[flag.name].strip()
        given = f"--{flag.name}={text}"
        try:
            if isinstance(flag.sets, str):
                assign(tree, spec, flag.sets, lambda leaf, text=text: leaf.parse(text))
                continue
            for path, value in flag.sets(text, tree).items():
                assign(tree, spec, path, lambda leaf, value=value: value)
        except ValueError as error:
            raise ConfigError(f"{given}: {error}") from None
    return from_tree(RunConfig, tree, " ".join(f"--{name}={text}" for name, text in flags.items()))
