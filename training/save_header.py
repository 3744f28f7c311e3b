# SPDX-License-Identifier: Apache-2.0
"""What stands in the header of a run's state, typed: the state of another version is told from a damaged one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from torch_utils.checkpoint import CheckpointError

FORMAT = "fullhead run state"
SCHEMA_VERSION = 1


class ResumeError(ValueError):
    """A run cannot go on as it was asked to. Nothing was changed. Says why, and what to do."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Augmentation(_Strict):
    """The overall probability, and the signs since it was adjusted."""

    p: float = Field(ge=0, le=1)
    signs: list[float] = Field(min_length=2, max_length=2)


class Progress(_Strict):
    """What the trainer wants back."""

    elapsed_s: float = Field(ge=0)
    began_from: dict[str, Any] | None  # The weights of a run that did not begin with fresh ones.


class SaveHeader(_Strict):
    """Everything of a save that is no tensor."""

    format: Literal["fullhead run state"]
    schema_version: int = Field(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)
    nimg: int = Field(ge=0)
    networks_digest: str
    progress: Progress
    data: dict[str, int | str]
    made_by: dict[str, int | str]
    augmentation: Augmentation
    stats: list[dict[str, list[float]]]


def header_of(tree: Mapping[str, Any], path: Path) -> SaveHeader:
    """Checked. `path` is where it was read."""
    version = tree.get("schema_version")
    if tree.get("format") == FORMAT and type(version) is int and version != SCHEMA_VERSION:
        raise ResumeError(
            f"{path}: is a state of version {version}, and this FullHead goes on from version {SCHEMA_VERSION}: "
            "use the one that began the run"
        )
    try:
        return SaveHeader.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path}: is no state of a run ({where}: {first['msg']})") from None
