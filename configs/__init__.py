# SPDX-License-Identifier: Apache-2.0
"""The configurations one can run by name.

A configuration is a function without arguments that returns a whole `RunConfig`; the first line of its docstring is
what `python -m configs` says of it. A variant calls its parent and replaces fields:

    def debug_long() -> RunConfig:
        return replace(debug(), name="debug-long", **{"loop.total_nimg": 100_000})
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from configs.eg3d import eg3d
from configs.panohead import (
    afhq,
    panohead,
    panohead_256,
    panohead_debug,
    panohead_small,
    panohead_small_128,
    shapenet,
)
from dnnlib.config import ConfigError
from dnnlib.config_paths import override
from dnnlib.text import nearest
from training.run_config import RunConfig, load_config

CONFIGS: dict[str, Callable[[], RunConfig]] = {
    "panohead": panohead,
    "panohead_256": panohead_256,
    "panohead_small": panohead_small,
    "panohead_small_128": panohead_small_128,
    "panohead_debug": panohead_debug,
    "afhq": afhq,
    "shapenet": shapenet,
    "eg3d": eg3d,
}
# Other names for the same configurations.
ALIASES: dict[str, str] = {
    "ffhq": "panohead",
    "panohead_512": "panohead",
    "small": "panohead_small",
    "debug": "panohead_debug",
}


def resolve(name_or_path: str, assignments: Iterable[str] = ()) -> RunConfig:
    """The run configuration of that NAME, FILE.json or run folder, with `--set` assignments applied in order."""
    return override(find(name_or_path), assignments)


def canonical(name: str) -> str:
    """What an alias stands for; anything else as it is."""
    return ALIASES.get(name, name)


def preset_of(config: RunConfig) -> RunConfig | None:
    """The named configuration that this one was made from, if its name still says so."""
    return CONFIGS[config.name]() if config.name in CONFIGS else None


def find(name_or_path: str) -> RunConfig:
    name = canonical(name_or_path)
    if name in CONFIGS:
        return CONFIGS[name]()
    if name.endswith(".json") or Path(name).exists():
        return load_config(name)
    close = nearest(name, [*CONFIGS, *ALIASES])
    hint = f" Did you mean {close}?" if close else ""
    raise ConfigError(
        f"no configuration named {name!r}.{hint} There are: {', '.join([*CONFIGS, *ALIASES])}. "
        "A file ending in .json or a run folder serves as well."
    )
