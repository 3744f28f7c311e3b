# SPDX-License-Identifier: Apache-2.0
"""Where a file of networks comes from: what its user may want to know and cannot see in the weights."""

import functools
import importlib.metadata
import re
import subprocess
from pathlib import Path
from typing import Any

import torch

from torch_utils import distributed
from training.data.fingerprint import Fingerprint
from training.run_config import RunConfig

_ROOT = Path(__file__).resolve().parents[1]


def provenance(
    config: RunConfig, run: str, data: Fingerprint, elapsed_s: float, began_from: dict[str, Any] | None
) -> dict[str, Any]:
    """For the header of a file. What nobody has said is null."""
    return {
        "run": run,
        "code": code_version(),
        "weights_licence": config.licence.weights,
        "data": {"source": config.data.img_data, "licence": config.licence.data, **data},
        "began_from": began_from,
        "elapsed_s": round(elapsed_s, 3),
        "seed": config.seed,
        "made_by": made_by(config),
    }


def made_by(config: RunConfig) -> dict[str, Any]:
    """What a run depends on to the last bit besides its configuration."""
    return {"torch": torch.__version__, "ranks": distributed.world_size(), "device": config.device}


@functools.cache
def code_version() -> dict[str, str | None]:
    """The version of FullHead, and the commit where it runs from a checkout."""
    return {"name": "FullHead", "licence": "Apache-2.0", "version": _version(), "commit": _commit()}


def _version() -> str | None:
    project = _ROOT / "pyproject.toml"
    if project.is_file():
        return re.search(r'^version = "(.+)"$', project.read_text(encoding="utf-8"), re.MULTILINE)[1]
    try:
        return importlib.metadata.version("fullhead")
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """With "-dirty" behind it where tracked files were changed since."""
    if not (_ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
