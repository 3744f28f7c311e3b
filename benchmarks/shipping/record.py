# SPDX-License-Identifier: Apache-2.0
"""What is known of a shipped model, as JSON beside it: the card and its numbers follow from nothing else.

models/NAME.safetensors   the averaged generator, rounded
models/NAME.json          the record
models/NAME.png           uncurated pictures
models/NAME.gif           some of them, turning
models/NAME-curve.png     a metric over the run
models/NAME.md            the card
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.shipping.recipes import data_command
from benchmarks.shipping.stages import stage_facts, stages, told
from dnnlib.atomic import atomic_write_text
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.pretrained.convert import Stored, ship
from training.run_config import load_config

Record = dict[str, Any]


class ModelFiles(NamedTuple):
    """Where the parts of a shipped model are."""

    weights: Path
    record: Path
    pictures: Path
    film: Path
    curve: Path
    card: Path


def model_files(folder: Path, name: str) -> ModelFiles:
    return ModelFiles(
        *(folder / f"{name}{ending}" for ending in (".safetensors", ".json", ".png", ".gif", "-curve.png", ".md"))
    )


def read_record(files: ModelFiles) -> Record:
    """An earlier one, or an empty one."""
    return json.loads(files.record.read_text(encoding="utf-8")) if files.record.exists() else {}


def replace_all(files: ModelFiles, made: ModelFiles) -> None:
    """Puts what was made into its place, the weights last: nobody has new ones with the card of others."""
    for old, new in [*zip(files[1:], made[1:], strict=True), (files.weights, made.weights)]:
        if new.exists():
            new.replace(old)
        else:
            old.unlink(missing_ok=True)


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
    networks = stages(run)
    facts = told(networks[-1])
    if facts["weights_licence"] is None:
        raise CheckpointError(
            f"{networks[-1]}: does not say what others may do with it; save it once more with a licence: "
            f"python train.py --run={run} --set=licence.weights=Apache-2.0"
        )
    steps = stage_facts(networks, name, trained_on)
    return {
        "images": sum(step["images"] for step in steps),
        "licence": facts["weights_licence"],
        "data": {key: facts["data"][key] for key in ("items", "digest")},
        "mirrored": config.data.mirror,
        "config": config.name,
        "resolution": config.generator.resolution,
        "data_command": data_command(config.data.img_data, config.data.seg_data),
        "stages": steps,
        "curves": curves(networks),
    }


def curves(networks: list[Path]) -> dict[str, list[list[float]]]:
    """The metrics that the stages have measured, by name, as pairs of images seen by all of them and value."""
    found: dict[str, list[list[float]]] = {}
    seen_before = 0
    for file in networks:
        start_nimg, end_nimg = load_config(file.parent).resume.start_nimg, told(file)["nimg"]
        for path in sorted(file.parent.glob("metric-*.jsonl")):
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            points = [
                [seen_before + row["nimg"] - start_nimg, row["value"]]
                for row in rows
                if start_nimg < row["nimg"] <= end_nimg
            ]
            if points:
                found.setdefault(path.stem.removeprefix("metric-"), []).extend(points)
        seen_before += end_nimg - start_nimg
    return found
