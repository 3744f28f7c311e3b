# SPDX-License-Identifier: Apache-2.0
"""Statistics say what is in a set, also of two pictures, of a damaged one, and of one whose labels are wrong."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles, label_from_camera
from training.data.images import encode_png
from training.data.labels import dataset_json
from training.data.making.statistics import THUMBNAIL, drawn, survey, text_report, tinted_outside
from training.data.making.statistics_picture import picture_of

SIDE = 16


def make_set(folder: Path, azimuth_deg: list[float], labels: np.ndarray | None = None) -> tuple[Path, Path]:
    """Pictures whose grey level is their number; the mask of each is its left quarter."""
    images, masks = folder / "img", folder / "seg"
    azimuth = torch.tensor(azimuth_deg, dtype=torch.float64).deg2rad()
    camera = camera_on_sphere(*hv_from_angles(azimuth, torch.full_like(azimuth, math.radians(12))))
    labels = label_from_camera(camera).numpy().astype(np.float32) if labels is None else labels
    names = [f"{i:03}.png" for i in range(len(azimuth_deg))]
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[:, : SIDE // 4] = 255
    for path in (images, masks):
        path.mkdir(parents=True)
    for i, name in enumerate(names):
        (images / name).write_bytes(encode_png(np.full((SIDE, SIDE, 3), i, dtype=np.uint8)))
        (masks / name).write_bytes(encode_png(mask))
    (images / "dataset.json").write_bytes(dataset_json(names, labels))
    return images, masks


def good_labels(n: int) -> np.ndarray:
    azimuth = torch.linspace(-3, 3, n, dtype=torch.float64)
    camera = camera_on_sphere(*hv_from_angles(azimuth, torch.zeros_like(azimuth)))
    return label_from_camera(camera).numpy().astype(np.float32)


def test_counts_sizes_masks_and_back_views_are_told(tmp_path: Path) -> None:
    found = survey(*make_set(tmp_path, [0, 20, -40, 100, 170]), sample=100)
    text = text_report(found)
    assert "5 of 16 x 16" in text
    assert "5, covering 25%" in text
    assert "2 of 5 (40.0%)" in text
    assert "mean +12.0" in text
    assert not found.complaints


def test_the_bars_of_the_text_add_up_to_the_images(tmp_path: Path) -> None:
    text = text_report(survey(*make_set(tmp_path, [0, 1, 2, 50, 179, -179]), sample=9))
    rows = [line.split() for line in text.splitlines() if " .. " in line.replace("..", " .. ")]
    counts = [int(row[-2] if row[-1].startswith("#") else row[-1]) for row in rows]
    assert sum(counts) == 2 * 6  # Once by azimuth, once by elevation.
    full = [row[-2] for row in rows if row[-1] == "#" * 40]
    assert full[-1] == "6"  # All are at one elevation.


def test_only_a_sample_is_read_and_it_is_the_same_every_time(tmp_path: Path) -> None:
    images, masks = make_set(tmp_path, np.linspace(-5, 5, 60).tolist())
    first, second = (survey(images, masks, sample=20, workers=workers) for workers in (1, 3))
    assert list(first.looked) == list(second.looked)
    assert list(first.shown) == list(second.shown)
    assert 20 <= len(first.looked) <= 20 + 12 + 6
    assert set(first.shown) <= set(first.looked)
    assert list(first.looked) != list(survey(images, masks, sample=20, seed=1).looked)


def test_the_sheet_runs_by_azimuth_from_the_right_to_the_left(tmp_path: Path) -> None:
    found = survey(*make_set(tmp_path, [30, -170, 90, 0, -60]), sample=9)
    assert list(found.shown) == [1, 4, 3, 0, 2]


def test_a_draw_takes_each_number_at_most_once_and_reaches_all() -> None:
    assert drawn(7, 7, seed=3).tolist() == list(range(7))
    draws = [drawn(100, 10, seed).tolist() for seed in range(200)]
    assert all(len(set(draw)) == 10 for draw in draws)
    hits = np.bincount(np.concatenate(draws), minlength=100)
    assert hits.min() > 5
    assert hits.max() < 45  # 20 are expected.


@pytest.mark.parametrize("count", [1, 2, 50])
def test_one_picture_is_made_of_sets_of_any_size(tmp_path: Path, count: int) -> None:
    found = survey(*make_set(tmp_path, np.linspace(-170, 170, count).tolist()), sample=30)
    picture = picture_of(found)
    assert picture.dtype == np.uint8
    assert picture.shape[1] == 1412
    assert picture.shape[0] > 1000


def flipped_axes(labels: np.ndarray) -> np.ndarray:
    labels = labels.copy()
    labels[:, [1, 2, 5, 6, 9, 10]] *= -1
    return labels


def test_labels_of_a_foreign_convention_are_drawn_with_the_message_in_the_picture(tmp_path: Path) -> None:
    labels = good_labels(9)
    right = survey(*make_set(tmp_path / "right", [0.0] * 9, labels), sample=30)
    wrong = survey(*make_set(tmp_path / "wrong", [0.0] * 9, flipped_axes(labels)), sample=30)
    assert "OpenGL" in wrong.complaints[0]
    assert wrong.poses.known.all()
    pictures = picture_of(right), picture_of(wrong)
    alarm = [((picture == (190, 40, 36)).all(-1)).sum() for picture in pictures]
    assert alarm[1] > 100 > alarm[0]
    assert pictures[1].shape[0] > pictures[0].shape[0]


def test_huge_numbers_do_not_keep_the_picture_from_being_made(tmp_path: Path) -> None:
    labels = good_labels(6)
    labels[2, 3], labels[3, 16], labels[4, :16] = 1e30, 0, 0
    found = survey(*make_set(tmp_path, [0.0] * 6, labels), sample=30)
    assert found.complaints
    assert picture_of(found).shape[1] == 1412
    assert "6 of 16 x 16" in text_report(found)


def test_a_damaged_picture_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    images, masks = make_set(tmp_path, [0, 10, 20, 30])
    (images / "002.png").write_bytes(b"not a picture")
    found = survey(images, masks, sample=30)
    assert len(found.looked) == 3
    assert "002.png" in found.complaints[0]
    assert picture_of(found).shape[1] == 1412


def test_a_missing_mask_and_a_missing_label_are_told(tmp_path: Path) -> None:
    images, masks = make_set(tmp_path, [0, 10, 20, 30])
    (masks / "001.png").unlink()
    (images / "004.png").write_bytes((images / "003.png").read_bytes())
    (masks / "004.png").write_bytes((masks / "003.png").read_bytes())
    found = survey(images, masks, sample=30)
    told = "\n".join(map(str, found.problems))
    assert "001.png" in told
    assert "004.png" in told
    assert "5 of 16 x 16" in text_report(found)
    assert "4, covering" in text_report(found)
    assert "4, 1 missing" in text_report(found)


def test_a_set_without_labels_or_masks_is_shown_as_it_is(tmp_path: Path) -> None:
    images, _ = make_set(tmp_path, [0, 10])
    (images / "dataset.json").unlink()
    found = survey(images, None, sample=30)
    assert "cameras     none" in text_report(found)
    assert "masks       none" in text_report(found)
    assert "dataset.json" in found.complaints[0]
    assert picture_of(found).shape[1] == 1412


def test_outside_the_mask_colour_is_laid_over_the_picture_and_inside_it_is_untouched() -> None:
    image = np.random.default_rng(0).integers(0, 256, (THUMBNAIL, THUMBNAIL, 3), dtype=np.uint8)
    mask = np.zeros((THUMBNAIL, THUMBNAIL), dtype=np.uint8)
    mask[:50] = 255
    tinted = tinted_outside(image, mask)
    np.testing.assert_array_equal(tinted[:50], image[:50])
    assert tinted[50:, :, 0].mean() > image[50:, :, 0].mean() + 20
    assert (tinted_outside(image, np.zeros((3, 5), dtype=np.uint8)) == tinted_outside(image, mask * 0)).all()
