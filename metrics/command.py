# SPDX-License-Identifier: Apache-2.0
"""What calc_metrics.py does: opens a generator and a data set, measures, records. Every rank does the same.

Features of real images are kept in the cache of the user; those of generated pictures until the command has finished,
so that a command that was killed goes on where it was.
"""

import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dnnlib.cache import cache_dir
from dnnlib.console import get_logger
from metrics.bench import Bench, Keep, Reals
from metrics.detectors.options import DetectorOptions
from metrics.detectors.shop import DetectorShop
from metrics.measures import measure
from metrics.names import KINDS, Wanted
from metrics.pictures import YAW_DEG, Mode, RealPictures
from metrics.record import Record, append, facts_of_data, network_digest, record
from metrics.table import table
from torch_utils import checkpoint, distributed
from training.data.config import DataConfig, SelectionConfig
from training.data.dataset import ImageDataset, open_dataset
from training.data.fingerprint import content_digest
from training.generator import Generator
from training.model_config import Precision
from training.pretrained import load_generator, sources

log = get_logger(__name__)

_NIMG = re.compile(r"networks-(\d{10})\.safetensors")


class Request(NamedTuple):
    """What somebody wants to know."""

    network: str
    wanted: tuple[Wanted, ...]
    img_data: str | None
    seg_data: str | None
    mirror: bool | None  # None: as the run was trained.
    mode: Mode
    seed: int
    batch: int
    detectors: tuple[DetectorOptions, ...]
    outdir: Path | None
    delta: str | None
    precision: Precision | None


def run(request: Request, device: torch.device) -> list[Record]:
    """The records, which the main rank has written and shown."""
    path = sources.find(request.network)
    outdir = request.outdir or _folder_of_run(path)
    if outdir is not None:
        _check_writable(outdir)
    shop = DetectorShop(request.detectors, device)
    shop.prepare(request.wanted)
    dataset = open_set(request, path)
    generator = load_generator(path, device, precision=request.precision, delta=request.delta)
    _check_sizes(generator, dataset, request)
    keep = Keep(cache_dir("metrics"), network_digest(generator), content_digest(dataset))
    reals = Reals(dataset, keep)
    options = {"mode": request.mode, "seed": request.seed, "device": device, "batch": request.batch, "keep": keep}
    bench = Bench(generator, reals, shop, request.wanted, **options)
    every = RealPictures(dataset)
    data = facts_of_data(dataset, keep.data_digest, every.azimuth_deg, every.weights)
    network = {
        "source": path.name,
        "delta": request.delta and Path(request.delta).name,
        "digest": keep.network_digest,
        "nimg": nimg_of(path),
    }
    rows = []
    for wanted in request.wanted:
        start_s = time.monotonic()
        result = measure(bench, wanted)
        row = record(wanted, result, bench, network=network, data=data, seconds=time.monotonic() - start_s)
        rows.append(row)
        if outdir is not None and distributed.is_main():
            append(outdir, row)
    distributed.barrier("the end of all metrics")
    if distributed.is_main():
        bench.forget()
        print(table(rows))
        print("records: " + (str(outdir) if outdir else "not kept; name a folder with --outdir"))
    return rows


def open_set(request: Request, path: Path) -> ImageDataset:
    """The images that the mode compares with; without --img_data those that the networks were trained on."""
    img_data, mirror, damaged = request.img_data, request.mirror, "error"
    if img_data is None:
        trained = _data_of_run(path)
        if trained is None:
            raise ValueError(
                f"{request.network}: does not say what it was trained on; name the data set with --img_data=IMG.zip"
            )
        log.info(f"Data set: {trained.img_data}, as in training")
        img_data = trained.img_data  # Not its masks: no metric needs them, and they may be gone.
        mirror = trained.mirror if mirror is None else mirror
        damaged = trained.damaged
    low, high = YAW_DEG[request.mode]
    selection = SelectionConfig(min_yaw_deg=low, max_yaw_deg=high)
    config = DataConfig(
        img_data=img_data,
        seg_data=request.seg_data,
        mirror=bool(mirror),
        require_masks=False,
        selection=selection,
        damaged=damaged,
    )
    return open_dataset(config, seed=request.seed)


def nimg_of(path: Path) -> int | None:
    """How many images a snapshot was trained with, as its name says."""
    match = _NIMG.fullmatch(path.name)
    return int(match[1]) if match else None


def _check_sizes(generator: Generator, dataset: ImageDataset, request: Request) -> None:
    count = int((dataset.weights > 0).sum())
    needs_reals = [wanted for wanted in request.wanted if KINDS[wanted.kind].compares]
    if dataset.labels is None:
        raise ValueError(f"{dataset.index.img_data}: has no cameras, and pictures are rendered under those of the set.")
    for wanted in needs_reals:
        if count < (least := KINDS[wanted.kind].least):
            raise ValueError(
                f"{wanted.name}: {dataset.index.img_data} has {count} images to compare with, and {least} are needed; "
                "add some."
            )
    if needs_reals and dataset.resolution != generator.img_resolution:
        size = generator.img_resolution
        raise ValueError(
            f"{needs_reals[0].name}: the generator makes pictures of {size} x {size}, and those of "
            f"{dataset.index.img_data} have {dataset.resolution} x {dataset.resolution}: a distance would measure "
            f"that. Pack the set again with `dataset_tool.py pack --resolution {size}x{size}`"
        )


def _folder_of_run(path: Path) -> Path | None:
    """Where records go if nobody says: beside the run's own, apart from the files that its training cuts."""
    return path.parent / "metrics" if "data" in _run_config(path) else None


def _run_config(path: Path) -> dict[str, Any]:
    """What the run's config.json says; nothing where there is none, or where it is another program's."""
    try:
        config = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) and isinstance(config.get("data"), dict) else {}


def _data_of_run(path: Path) -> DataConfig | None:
    if _folder_of_run(path) is not None:
        data = _run_config(path)["data"]
        return DataConfig(**{key: data[key] for key in ("img_data", "mirror", "damaged") if key in data})
    if path.suffix == ".safetensors":
        source = checkpoint.read_header(path).get("provenance", {}).get("data", {}).get("source")
        return None if source is None else DataConfig(img_data=source)
    return None


def _check_writable(folder: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)  # Another rank may have been faster.
    except OSError as error:
        raise ValueError(
            f"{folder}: records cannot be written there ({error.strerror}); name a folder with --outdir"
        ) from None
