# SPDX-License-Identifier: Apache-2.0
"""Pictures, masks and cameras from files of all kinds."""

import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.small import labels, small_generator
from training.cameras import camera_from_label, view_angles
from training.data.labels import dataset_json
from training.inversion.reading import read_targets
from training.inversion.targets import Targets, views_of_step
from training.portraits.views import PUBLISHED_FOV_DEG, View, label_of_views

G = small_generator()


def draw(path: Path, width: int = 48, height: int = 48, mode: str = "RGB") -> None:
    shape = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    Image.fromarray(np.random.default_rng(len(path.name)).integers(0, 256, shape, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures with labels, and masks."""
    for part in ("img", "seg"):
        (tmp_path / part).mkdir()
    names = [f"{i:06d}.png" for i in range(3)]
    for name in names:
        draw(tmp_path / "img" / name)
        draw(tmp_path / "seg" / name, mode="L")
    (tmp_path / "img" / "dataset.json").write_bytes(dataset_json(names, labels(0.0, 0.5, 1.0).numpy()))
    return tmp_path


def test_an_entry_of_a_folder_has_its_picture_mask_and_label(folder: Path) -> None:
    targets, is_known = read_targets(G, folder / "img", folder / "seg", (1,))
    assert is_known
    assert targets.images.shape == (1, 3, 32, 32)
    assert targets.masks is not None
    assert targets.masks.shape == (1, 1, 32, 32)
    assert torch.allclose(targets.labels, labels(0.5))
    assert -1 <= targets.images.min() < -0.3 < 0.3 < targets.images.max() <= 1


def test_a_zip_is_a_set_too_and_several_entries_are_one_person_or_several(folder: Path) -> None:
    with zipfile.ZipFile(folder / "img.zip", "w") as archive:
        for file in (folder / "img").iterdir():
            archive.write(file, file.name)
    targets, _ = read_targets(G, folder / "img.zip", None, (2, 0))
    assert targets.names == ("000002.png", "000000.png")
    assert targets.heads == (0, 0)
    assert targets.masks is None
    assert torch.allclose(targets.labels, labels(1.0, 0.0))
    assert read_targets(G, folder / "img.zip", None, (2, 0), one_person=False)[0].heads == (0, 1)


def test_a_picture_finds_its_label_in_the_file_beside_it(folder: Path) -> None:
    targets, is_known = read_targets(G, folder / "img" / "000002.png", folder / "seg" / "000002.png")
    assert is_known
    assert targets.masks is not None
    assert torch.allclose(targets.labels, labels(1.0))


def test_a_picture_alone_stands_before_the_camera_until_somebody_says_more(folder: Path) -> None:
    draw(folder / "me.png")
    targets, is_known = read_targets(G, folder / "me.png")
    assert not is_known
    assert torch.equal(targets.labels, label_of_views(G, [View(0, 0)], PUBLISHED_FOV_DEG))
    targets, is_known = read_targets(G, folder / "me.png", given=[View(30, 10)])
    assert is_known
    assert view_angles(camera_from_label(targets.labels)).azimuth_rad.rad2deg().item() == pytest.approx(30, abs=1e-3)


def test_given_cameras_go_before_labels_and_need_none(folder: Path) -> None:
    (folder / "img" / "dataset.json").unlink()
    targets, is_known = read_targets(G, folder / "img", None, (0, 1), [View(0, 0), View(90, 0)])
    assert is_known
    assert view_angles(camera_from_label(targets.labels)).azimuth_rad.rad2deg()[1].item() == pytest.approx(90, abs=1e-3)


def test_a_picture_that_is_not_square_is_cut_with_a_word_and_its_camera_follows(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("fullhead"), "propagate", True)
    draw(folder / "img" / "000000.png", 64, 48)
    targets, _ = read_targets(G, folder / "img", None, (0,))
    assert "64 x 48; the square in its middle" in caplog.text
    fx, fy = camera_from_label(targets.labels).intrinsics[0].diagonal()[:2]
    assert fx / fy == pytest.approx(64 / 48)


def test_transparency_is_a_mask(folder: Path) -> None:
    draw(folder / "me.png", mode="RGBA")
    assert read_targets(G, folder / "me.png")[0].masks is not None
    Image.open(folder / "me.png").convert("RGB").convert("RGBA").save(folder / "opaque.png")
    assert read_targets(G, folder / "opaque.png")[0].masks is None


def test_mistakes_are_told(folder: Path) -> None:
    with pytest.raises(ValueError, match="has no entry 3; it has 3"):
        read_targets(G, folder / "img", None, (3,))
    with pytest.raises(ValueError, match="2 pictures and 3 cameras"):
        read_targets(G, folder / "img", None, (0, 1), [View(0, 0)] * 3)
    with pytest.raises(ValueError, match="name the file of its mask"):
        read_targets(G, folder / "img" / "000000.png", folder / "seg")
    with pytest.raises(ValueError, match="single picture, so it has no entry 2"):
        read_targets(G, folder / "img" / "000000.png", entries=(0, 2))
    Image.new("L", (48, 48), 100).save(folder / "black.png")
    with pytest.raises(ValueError, match="its mask shows no head"):
        read_targets(G, folder / "img" / "000000.png", folder / "black.png")
    (folder / "me.txt").write_text("me")
    with pytest.raises(ValueError, match="no PNG, JPEG or WebP"):
        read_targets(G, folder / "me.txt")
    draw(folder / "seg" / "000000.png", 40, 40, "L")
    with pytest.raises(ValueError, match=r"48 x 48 pixels, its mask 40 x 40"):
        read_targets(G, folder / "img", folder / "seg", (0,))


def test_steps_take_all_views_in_turn() -> None:
    assert views_of_step(5, 3, 4) == [0, 1, 2]
    taken = [view for step in range(5) for view in views_of_step(step, 5, 2)]
    assert sorted(taken) == sorted([*range(5), *range(5)])


def test_a_choice_of_views_keeps_what_belongs_together() -> None:
    images, c = torch.rand(3, 3, 8, 8), labels(0.0, 1.0, 2.0)
    some = Targets(("a", "b", "c"), (0, 1, 0), images, images[:, :1], c).only([2, 1])
    assert some.names == ("c", "b")
    assert some.heads == (0, 1)
    assert torch.equal(some.images, images[[2, 1]])
    assert some.masks is not None
    assert torch.equal(some.masks, images[[2, 1], :1])
    assert torch.equal(some.labels, c[[2, 1]])
