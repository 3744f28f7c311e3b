# SPDX-License-Identifier: Apache-2.0
"""Data sets of more and more labelled images: opening one that was opened before, a whole start, a batch.

A start is that of train.py, from the command line to the end of its first step, save and page included.
"""

import io
import itertools
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from benchmarks.sweep import CONSTANT, LINEAR, Sweep, Work
from benchmarks.sweeps.training import finish, train
from configs import resolve
from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles, label_from_camera
from training.data.config import DataConfig
from training.data.dataset import open_dataset
from training.data.loader import Loader
from training.prior import Prior

CFG = "panohead_debug"
BATCH, BATCHES = 32, 32
CAMERAS = 997  # Different ones; they come again and again.


@contextmanager
def labels(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    with TemporaryDirectory() as folder:
        works = {}
        for count in sides:
            data = DataConfig(img_data=str(write_set(Path(folder, f"{count}.zip"), count)), mirror=True)
            open_dataset(data, seed=0)  # The first opening looks through all of it.
            works[count] = _visit(data, Path(folder, f"runs-{count}"))
        yield works


def _visit(data: DataConfig, runs: Path) -> Work:
    started = itertools.count()  # A folder is used once.

    def work(number: int) -> dict[str, float]:
        marks_s = [time.perf_counter()]
        dataset = open_dataset(data, seed=0)
        marks_s.append(time.perf_counter())
        prior = Prior(
            0,
            z_dim=512,
            num_ws=14,
            labels=dataset.labels,
            weights=dataset.weights,
            background_swap=0.0,
            style_mixing=0.0,
        )
        with Loader(dataset, batch=BATCH, seed=0, start_nimg=number * BATCH * BATCHES, workers=0) as loader:
            next(loader)
            marks_s.append(time.perf_counter())
            for i in range(BATCHES):
                next(loader)
                indices = torch.arange(i * BATCH, (i + 1) * BATCH)
                prior.draw("G", indices, batch_start=i * BATCH, batch=BATCH, swap_probability=0.7)
            marks_s.append(time.perf_counter())
        run = train(
            CFG,
            runs / str(next(started)),
            ["--img_data", data.img_data],
            **{"loop.total_nimg": 4, "loop.tick_nimg": 4, "data.mirror": "yes", "data.workers": 0},
        )
        finish([run])
        marks_s.append(time.perf_counter())
        opening, first, batches, start = ((b - a) * 1e3 for a, b in itertools.pairwise(marks_s))
        return {"opening again": opening, "first batch": first, "a batch": batches / BATCHES, "whole start": start}

    return work


def write_set(path: Path, count: int) -> Path:
    """One small picture with transparency, `count` times, under cameras from all around."""
    size = resolve(CFG).generator.resolution
    pixels = np.random.default_rng(0).integers(0, 256, (size // 8, size // 8, 4), dtype=np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels.repeat(8, axis=0).repeat(8, axis=1)).save(png, "PNG")
    yaw = torch.linspace(-torch.pi, torch.pi, CAMERAS, dtype=torch.float64)
    cameras = label_from_camera(camera_on_sphere(*hv_from_angles(yaw, torch.zeros_like(yaw)))).tolist()
    texts = [json.dumps([round(number, 6) for number in camera]) for camera in cameras]
    names = [f"{i // 1000:05}/{i:08}.png" for i in range(count)]
    rows = ", ".join(f'["{name}", {texts[i % CAMERAS]}]' for i, name in enumerate(names))
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), png.getvalue())
        archive.writestr("dataset.json", f'{{"labels": [{rows}]}}')
    return path


SWEEPS = {
    "labels": Sweep(
        "labels of a data set",
        "labels",
        (1_000, 10_000, 100_000, 1_000_000),
        (100, 1_000),
        labels,
        {"opening again": LINEAR, "first batch": LINEAR, "a batch": CONSTANT, "whole start": CONSTANT},
        rounds=2,
    )
}
