# SPDX-License-Identifier: Apache-2.0
"""An inversion is compared with the truth head by head, whatever is behind them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnnlib.drawing import PAPER
from tests.training.small import labels
from tour.finishing import inverted_views

SIZE = 16


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def views(folder: Path, off_by: int) -> dict:
    """Three true views, and an inversion whose head is `off_by` too bright in the first and right in the others."""
    rng = np.random.default_rng(0)
    names = [f"img{i}.png" for i in range(3)]
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[4:12, 4:12] = 255
    for i, name in enumerate(names):
        head = rng.integers(0, 200, (SIZE, SIZE, 3), np.uint8)
        found = head + np.uint8(off_by if i == 0 else 0)
        behind = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        save(folder / "img" / name, np.where(mask[..., None] > 0, head, behind))
        save(folder / "seg" / name, mask)
        save(folder / "views" / f"{i:06d}.png", np.dstack([found, mask]))
    entries = [[name, label.tolist()] for name, label in zip(names, labels(0.3, -1.0, 2.0), strict=True)]
    (folder / "img" / "dataset.json").write_text(json.dumps({"labels": entries}))
    inverted_views(folder / "img", folder / "seg", folder / "views", folder / "truth.png", folder / "truth.json")
    return json.loads((folder / "truth.json").read_text())


def test_what_is_behind_does_not_count(tmp_path: Path) -> None:
    numbers = views(tmp_path, off_by=0)
    assert numbers == {"given_db": 120.0, "unseen_db": [120.0, 120.0]}


def test_the_head_counts(tmp_path: Path) -> None:
    numbers = views(tmp_path, off_by=50)
    assert numbers["given_db"] == pytest.approx(-10 * np.log10((50 / 255) ** 2 / 4), abs=0.01), "in a quarter of it"
    assert numbers["unseen_db"] == [120.0, 120.0]


def test_views_stand_by_azimuth_on_paper(tmp_path: Path) -> None:
    views(tmp_path, off_by=0)
    sheet = np.asarray(Image.open(tmp_path / "truth.png"))
    assert sheet.shape[1] > 3 * 128
    assert (sheet[2, 2] == PAPER).all()
