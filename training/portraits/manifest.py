# SPDX-License-Identifier: Apache-2.0
"""What pictures were made of, beside them as JSON: so that they can be made again."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dnnlib.atomic import atomic_write_text
from torch_utils.checkpoint import weights_digest
from training.generator import Generator
from training.provenance import code_version


def manifest(
    G: Generator, network: str, delta: str | None, settings: Mapping[str, Any], **parts: Any
) -> dict[str, Any]:
    """The generator, told by what was asked for and by a digest of its weights; the settings; what else there is."""
    source = {"source": network, "delta": delta, "weights_blake2b": weights_digest(G)}
    return {
        "code": code_version(),
        "torch": torch.__version__,
        "network": source,
        "settings": settings,
        **parts,
    }


def write_manifest(path: Path, content: Mapping[str, Any]) -> None:
    """A line for each entry of a list, so that it can be read and compared."""
    parts = [f"{json.dumps(name)}: {_lines(value)}" for name, value in content.items()]
    atomic_write_text(path, "{\n" + ",\n".join(parts) + "\n}\n")


def numbers(label: Float[Tensor, " 25"]) -> list[float]:
    """A camera label to read: six decimals, as data sets have them, and no -0."""
    return [round(x, 6) + 0.0 for x in label.tolist()]


def _lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f"  {_json(entry)}" for entry in value) + "\n]"
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"  {json.dumps(name)}: {_json(entry)}" for name, entry in value.items()) + "\n}"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    return vars(value) if dataclasses.is_dataclass(value) else str(value)
