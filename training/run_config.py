# SPDX-License-Identifier: Apache-2.0
"""The configuration of one run, and its file.

A run is one `RunConfig`. Its file is `config.json` in the run's folder; a run repeated from that file is the same run.
All lengths and intervals count images shown to the critics (`nimg`), so they mean the same at every batch size.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from dnnlib.atomic import atomic_write_text
from dnnlib.config import Config, ConfigError, Tree, from_tree, migrate, parse_object, to_json
from training.adam_config import AdamConfig
from training.augment.config import AugmentConfig
from training.data.config import DataConfig
from training.ema_config import EmaConfig
from training.licence_config import LicenceConfig
from training.loss_config import LossConfig
from training.model_config import CriticConfig, GeneratorConfig
from training.numerics_config import NumericsConfig
from training.resume_config import ResumeConfig
from training.schedule_config import ScheduleConfig

CONFIG_FILENAME = "config.json"

# From version n to n + 1. Files are never rewritten: an old one is brought up to date each time it is read.
MIGRATIONS: dict[int, Callable[[Tree], Tree]] = {}


class LoopConfig(Config):
    """How long a run is and how it is cut into steps and ticks."""

    batch: int = Field(32, ge=1, le=65_536)
    """Images per optimizer step, over all ranks together."""

    total_nimg: int = Field(25_000_000, ge=1)
    """The run ends with the first step that reaches this many images."""

    tick_nimg: int = Field(4_000, ge=1)
    """Progress is reported at the first step after every so many images."""

    snapshot_nimg: int = Field(200_000, ge=1)
    """The run is saved at the first step after every so many images, and at its end."""

    part: int | None = Field(None, ge=1)
    """Images that are computed together on one rank, if not its whole share: less memory, the same result."""

    keep_last: int = Field(2, ge=1)
    """So many of the newest saves stay, ..."""

    keep_every_nimg: int | None = Field(2_000_000, ge=1)
    """... and the first in every so many images; null: no others."""


class RunConfig(Config):
    """Everything that decides what a run does."""

    schema_version: Literal[1] = 1
    """Version of this file format; see MIGRATIONS."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100, examples=["panohead"])
    """What the run is called: in its folder's name and in reports."""

    seed: int = Field(0, ge=0, lt=2**63)
    """Every random number of the run follows from it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the run computes; `auto` is a GPU where there is one."""

    loop: LoopConfig = LoopConfig()

    resume: ResumeConfig = ResumeConfig()

    data: DataConfig = DataConfig()

    generator: GeneratorConfig = GeneratorConfig()

    critic: CriticConfig = CriticConfig()

    loss: LossConfig = LossConfig()

    schedule: ScheduleConfig = ScheduleConfig()

    augment: AugmentConfig = AugmentConfig()

    generator_adam: AdamConfig = AdamConfig(lr=0.0025)

    critic_adam: AdamConfig = AdamConfig(lr=0.002)

    frozen_critic_layers: int = Field(0, ge=0)
    """So many of the critic's first layers keep the weights they start with, for fine-tuning on little data."""

    ema: EmaConfig = EmaConfig()

    numerics: NumericsConfig = NumericsConfig()

    metrics: tuple[str, ...] = Field((), examples=[["fd1k_thumbs"]])
    """What is measured at every save, by name; metrics/registry.py has the names."""

    licence: LicenceConfig = LicenceConfig()


SCHEMA_VERSION: int = RunConfig.model_fields["schema_version"].default


def load_config(path: str | Path) -> RunConfig:
    """Reads a configuration file, or the `config.json` of a run folder."""
    path = Path(path)
    if path.is_dir():
        path = path / CONFIG_FILENAME
    try:
        text = path.read_text(encoding="utf-8-sig")  # Editors on Windows may put a mark in front.
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from None
    return config_from_json(text, source=str(path))


def config_from_json(text: str, source: str) -> RunConfig:
    """Reads a configuration of this or an older schema. `source` names it in errors."""
    return from_tree(RunConfig, migrate(parse_object(text, source), MIGRATIONS, SCHEMA_VERSION, source), source)


def save_config(config: RunConfig, path: str | Path) -> None:
    """Writes the configuration; the file at `path` is the old one or the new one at every moment."""
    atomic_write_text(path, to_json(config))
