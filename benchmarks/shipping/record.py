# SPDX-License-Identifier: Apache-2.0
"""What is known of a shipped model, as JSON beside it: the card and its numbers follow from nothing else.

models/NAME.safetensors   the averaged generator, rounded
models/NAME.json          the record
models/NAME.png           uncurated pictures
models/NAME-curve.png     a metric over the run
models/NAME.md            the card
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import harness
from benchmarks.shipping.recipes import data_command, training_command
from dnnlib.atomic import atomic_write_text
from dnnlib.config_paths import replace
from torch_utils import checkpoint
from training.pretrained.convert import Stored, ship
from training.pretrained.sources import find
from training.run_config import load_config

Record = dict[str, Any]


class ModelFiles(NamedTuple):
    """Where the parts of a shipped model are."""

    weights: Path
    record: Path
    pictures: Path
    curve: Path
    card: Path


def model_files(folder: Path, name: str) -> ModelFiles:
    return ModelFiles(
        *(folder / f"{name}{ending}" for ending in (".safetensors", ".json", ".png", "-curve.png", ".md"))
    )


def read_record(files: ModelFiles) -> Record:
    """An earlier one, or an empty one."""
    return json.loads(files.record.read_text(encoding="utf-8")) if files.record.exists() else {}


def write_record(files: ModelFiles, record: Record) -> None:
    atomic_write_text(files.record, json.dumps(record, indent=1) + "\n")


def ship_weights(run: Path, files: ModelFiles, stored: Stored) -> Record:
    """Writes the weights of the newest save; what the record says of them."""
    alike_db = ship(run, files.weights, stored)
    header = checkpoint.read_header(files.weights)
    return {
        "file": files.weights.name,
        "bytes": files.weights.stat().st_size,
        "stored": stored,
        "alike_db": round(alike_db, 1),
        "digest": header["digest"],
    }


def training_facts(run: Path, name: str, trained_on: str | None) -> Record:
    """How the newest networks of a run came about."""
    config = load_config(run)
    told = checkpoint.read_header(find(run))["provenance"]
    return {
        "images": told["nimg"],
        "seconds": round(told["elapsed_s"]),
        "device": trained_on or _device(told["made_by"]["device"]),
        "torch": told["made_by"]["torch"],
        "commit": told["code"]["commit"],
        "began_from": told["began_from"],
        "data": {key: told["data"][key] for key in ("items", "digest")},
        "mirrored": config.data.mirror,
        "config": config.name,
        "resolution": config.generator.resolution,
        "data_command": data_command(config.data.img_data, config.data.seg_data),
        # As long as it was, whether or not it was stopped before its end.
        "training_command": training_command(replace(config, **{"loop.total_nimg": told["nimg"]}), name),
        "curves": curves(run, told["nimg"]),
    }


def curves(run: Path, until_nimg: int) -> dict[str, list[list[float]]]:
    """The metrics that the run has measured, by name, as pairs of images and value."""
    found = {}
    for path in sorted(run.glob("metric-*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        points = [[row["nimg"], row["value"]] for row in rows if row["nimg"] <= until_nimg]
        if points:
            found[path.stem.removeprefix("metric-")] = points
    return found


def _device(asked: str) -> str:
    facts: Mapping[str, Any] = harness.environment("cuda" if asked == "cuda" else "cpu")
    return f"{facts['device']}, {facts['cores']} cores" if asked != "cuda" else str(facts["device"])
