# SPDX-License-Identifier: Apache-2.0
"""A result with everything that somebody must know who compares it with another one.

Records are lines of `metric-NAME.jsonl`, each a JSON object. `SAME` is what two of them must share.
"""

import datetime
import hashlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from dnnlib.config import to_tree
from metrics.bench import Bench
from metrics.measures import Result
from metrics.names import Wanted
from metrics.pictures import poses
from training.data.dataset import ImageDataset
from training.generator import Generator
from training.provenance import code_version

VERSION = 1  # Of what a record says and how its value is computed.

Record = dict[str, Any]

# Paths of what must agree, and how to tell of it.
SAME = {
    "version": "the version of the records",
    "metric": "the metric",
    "render.mode": "the mode",
    "render.psi": "the truncation",
    "render.noise": "the noise",
    "render.resolution": "the size of the pictures",
    "render.precision": "the precision of the convolutions",
    "asked": "the number of generated pictures or heads",
    "counts.real": "the number of real pictures",
    "data.digest": "the content of the data set",
    "data.poses": "the distribution of poses in the data set",
    "detector": "the detector, or how pictures are resized for it",
}


def network_digest(generator: Generator) -> str:
    """Of weights and configuration, whatever file they come from."""
    digest = hashlib.blake2b(json.dumps(to_tree(generator.config), sort_keys=True).encode(), digest_size=16)
    for name, tensor in sorted(generator.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def facts_of_data(dataset: ImageDataset, digest: str, azimuth_deg: torch.Tensor, weights: torch.Tensor) -> Record:
    """What a record says of the data."""
    return {
        "source": Path(dataset.index.img_data).name,
        "digest": digest,
        "items": int((dataset.weights > 0).sum()),
        "resolution": dataset.resolution,
        "mirrored": dataset.is_mirrored,
        "poses": poses(azimuth_deg, weights),
    }


def record(wanted: Wanted, result: Result, bench: Bench, *, network: Record, data: Record, seconds: float) -> Record:
    """The line of a result."""
    generator = bench.generator
    render = {"poses": poses(bench.pictures.azimuth_deg(wanted.count))} if result.render is None else result.render
    return {
        "version": VERSION,
        "metric": wanted.name,
        "value": _known(result.value),
        "spread": _known(result.spread),
        "parts": {name: _known(part) for name, part in result.parts.items()},
        "asked": wanted.count,
        "counts": dict(result.counts),
        "render": bench.pictures.facts
        | {"resolution": generator.img_resolution, "precision": generator.config.precision}
        | render,
        "network": network,
        "data": data,
        "detector": None if result.detector is None else dict(result.detector),
        "seed": bench.seed,
        "code": code_version(),
        "machine": {"device": bench.device.type, "torch": torch.__version__, "batch": bench.batch},
        "seconds": round(seconds, 1),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _known(value: float | None) -> float | None:
    """JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None


def append(folder: Path, row: Record) -> Path:
    """One more line of the metric's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"metric-{row['metric']}.jsonl"
    line = json.dumps(row).encode() + b"\n"
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        if file.write(line) < len(line):
            os.ftruncate(file.fileno(), end)
            raise OSError(f"{path}: there is no space left")
    return path


def read(path: Path) -> Iterator[Record]:
    """All records of a file; a line that is none is told of."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is no text, so it has no records") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            raise ValueError(f"{path}, line {number}: is not JSON; remove the line") from None
        is_whole = isinstance(row, dict) and isinstance(row.get("metric"), str) and "value" in row
        if not is_whole or not isinstance(row["value"], int | float | None):
            raise ValueError(f"{path}, line {number}: is no record of a metric")
        yield row


def lookup(row: Record, path: str) -> Any:
    """The value at `a.b`; None where there is none."""
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
