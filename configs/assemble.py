# SPDX-License-Identifier: Apache-2.0
"""A run's configuration out of what a command line says.

First the configuration that is named, then flags, then `--set`: a flag wins over the configuration, and `--set` over a
flag, so that a pasted command can be changed at its end. A configuration that is named (not a file) takes the
resolution of the data before flags apply.
"""

from collections.abc import Iterable, Mapping

from configs import CONFIGS, canonical, find
from configs.flags import ALL
from configs.resolution import fit_to_data
from dnnlib.config import ConfigError, from_tree, to_tree
from dnnlib.config_paths import assign, override
from dnnlib.config_types import Model
from dnnlib.console import get_logger
from training.run_config import RunConfig

log = get_logger(__name__)


def assemble(cfg: str, flags: Mapping[str, str], assignments: Iterable[str]) -> RunConfig:
    """The configuration that a command line means. `flags` are texts by the keys of the table."""
    base, assignments = find(cfg), list(assignments)
    config = override(with_flags(base, flags), assignments)
    if canonical(cfg) in CONFIGS and config.data.img_data is not None:
        resolution = resolution_of_data(config)
        if resolution != base.generator.resolution:
            config = override(with_flags(fit_to_data(base, resolution), flags), assignments)
    for flag in ALL:
        if flag.key in flags and flag.ignored is not None:
            log.warning(f"--{flag.name} has no effect: {flag.ignored}.")
    return config


def resolution_of_data(config: RunConfig) -> int:
    """The side of its pictures."""
    from training.data.dataset import open_dataset  # noqa: PLC0415 - needs torch, which most mistakes do not wait for

    return open_dataset(config.data, seed=config.seed).resolution


def with_flags(config: RunConfig, flags: Mapping[str, str]) -> RunConfig:
    """The configuration with what the flags say, in the order of the table."""
    tree, spec, given = to_tree(config), Model(RunConfig), []
    for flag in ALL:
        if flag.key not in flags:
            continue
        text = flags[flag.key].strip()
        given.append(f"--{flag.name}={text}")
        try:
            if isinstance(flag.sets, str):
                assign(tree, spec, flag.sets, lambda leaf, text=text: leaf.parse(text))
            else:
                for path, value in flag.sets(text, tree).items():
                    assign(tree, spec, path, lambda leaf, value=value: value)
        except ValueError as error:
            raise ConfigError(f"{given[-1]}: {error}") from None
    return from_tree(RunConfig, tree, " ".join(given))
