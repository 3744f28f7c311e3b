# SPDX-License-Identifier: Apache-2.0

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.data.making.sample_sets import appendix_b, encode, label, mixed, picture, write_labels, write_set
from training.data.images import decode_image
from training.data.index import open_index
from training.data.making.checking import check
from training.data.making.findings import Finding
from training.data.making.mending import mend
from training.data.problems import DataError

NUM = 24


def name(number: int) -> str:
    return f"00000/img{number:08d}.png"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    write_set(folder, NUM)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A sound set of one's own, to be damaged."""
    shutil.copytree(sound, tmp_path, dirs_exist_ok=True)
    return tmp_path


def findings(folder: Path) -> list[Finding]:
    return check(folder / "img", folder / "seg", workers=1).findings


def set_labels(folder: Path, change: Callable[[int, list[float]], object]) -> None:
    write_labels(folder / "img", {name(n): change(n, label(n)) for n in range(NUM)})


def with_pose(numbers: list[float], change: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    return [*change(np.array(numbers[:16]).reshape(4, 4)).flatten().tolist(), *numbers[16:]]


def test_a_sound_set_has_no_findings(sound: Path) -> None:
    assert findings(sound) == []


def test_workers_find_the_same(folder: Path) -> None:
    (folder / "img" / name(3)).write_bytes(b"no picture")
    (folder / "seg" / name(20)).unlink()
    alone = check(folder / "img", folder / "seg", workers=1).findings
    assert len(alone) == 2
    # Fewer items than workers have jobs would be done by one: the set is named twice as large for this.
    for number in range(NUM, 2 * NUM):
        (folder / "img" / name(number)).write_bytes(encode(picture(number)[0]))
        (folder / "seg" / name(number)).write_bytes(encode(picture(number)[1]))
    write_labels(folder / "img", {name(n): label(n) for n in range(2 * NUM)})
    assert check(folder / "img", folder / "seg", workers=2).findings == alone


def spoil_mask(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        mask = np.ascontiguousarray(change(picture(5)[1]))
        (folder / "seg" / name(5)).write_bytes(encode(mask))

    return spoil


def spoil_camera(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda folder: set_labels(folder, lambda n, numbers: with_pose(numbers, change) if n == 5 else numbers)


def spoil_number(place: int, value: object) -> Callable[[Path], None]:
    return lambda folder: set_labels(
        folder, lambda n, numbers: [*numbers[:place], value, *numbers[place + 1 :]] if n == 5 else numbers
    )


def replace_picture(folder: Path, pixels: np.ndarray, **options: object) -> None:
    (folder / "img" / name(5)).write_bytes(encode(pixels, **options))


def turned(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    replace_picture(folder, np.ascontiguousarray(np.rot90(picture(5)[0], 2)), exif=exif)


SPOILED: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "a truncated image": (
        lambda folder: (folder / "img" / name(5)).write_bytes(encode(picture(5)[0])[:900]),
        "unreadable",
        "damaged",
    ),
    "an empty file": (lambda folder: (folder / "img" / name(5)).write_bytes(b""), "unreadable", "empty file"),
    "a damaged mask": (lambda folder: (folder / "seg" / name(5)).write_bytes(b"x"), "unreadable", "not a PNG"),
    "a missing mask": (lambda folder: (folder / "seg" / name(5)).unlink(), "no mask", "has no mask"),
    "a mask too many": (
        lambda folder: (folder / "seg" / "00000/img5.png").write_bytes(encode(picture(5)[1])),
        "mask without image",
        "of no image",
    ),
    "an empty mask": (spoil_mask(lambda mask: mask // 3), "empty mask", "largest value is 85"),
    "a full mask": (spoil_mask(lambda mask: mask // 4 + 191), "full mask", "least value is 191"),
    "an inverted mask": (spoil_mask(lambda mask: 255 - mask), "inverted mask", "inverted"),
    "a small mask": (spoil_mask(lambda mask: mask[::2, ::2]), "mask size", "32 x 32 and its image 64 x 64"),
    "a mask moved": (spoil_mask(lambda mask: np.roll(mask, 9, axis=1)), "wrong mask", "moved by -1"),
    "a duplicate": (
        lambda folder: replace_picture(folder, picture(11)[0]),
        "duplicate",
        "same picture as",
    ),
    "another size": (
        lambda folder: (
            replace_picture(folder, picture(5, 80, 80)[0]),
            (folder / "seg" / name(5)).write_bytes(encode(picture(5, 80, 80)[1])),
        ),
        "size",
        "is 80 x 80, where 64 x 64 is usual",
    ),
    "grey": (lambda folder: replace_picture(folder, picture(5)[0][:, :, 1].copy()), "kind of pixels", "grey"),
    "rotation by EXIF": (turned, "turned", "orientation 3"),
    "no label": (
        lambda folder: write_labels(folder / "img", {name(n): label(n) for n in range(NUM) if n != 5}),
        "no camera",
        "has no label",
    ),
    "a label too many": (
        lambda folder: write_labels(folder / "img", {f"{n}.png" if n == NUM else name(n): label(n) for n in range(25)}),
        "unused label",
        "not there",
    ),
    "a short label": (
        lambda folder: set_labels(folder, lambda n, c: c[:24] if n == 5 else c),
        "no camera",
        "24 numbers",
    ),
    "not a number": (spoil_number(3, "NaN"), "no camera", "label"),
    "OpenGL axes": (spoil_camera(lambda T: T * [1, -1, -1, 1]), "wrong camera", "OpenGL"),
    "a scaled rotation": (spoil_camera(lambda T: T * 1.5), "wrong camera", "last row"),
    "a focal length in pixels": (spoil_number(16, 4.2647 * 64), "wrong camera", "focal"),
    "an unusual focal length": (spoil_number(16, 8.0), "odd camera", "focal length is 8"),
    "an unusual principal point": (spoil_number(18, 0.8), "odd camera", "principal point is 0.8"),
    "an unusual distance": (spoil_camera(lambda T: T * [1, 1, 1, 2] / [[1], [1], [1], [2]]), "odd camera", "distance"),
    "broken JSON": (
        lambda folder: (folder / "img" / "dataset.json").write_text('{"labels": [['),
        "unreadable",
        "not valid JSON",
    ),
    "no dataset.json": (lambda folder: (folder / "img" / "dataset.json").unlink(), "no camera", "no camera labels"),
    "wrong sources": (
        lambda folder: (folder / "img" / "dataset.json").write_text(
            json.dumps({"labels": {name(n): label(n) for n in range(NUM)}, "sources": [{"name": "a"}]})
        ),
        "wrong sources",
        "a source is {'name': 'a'}",
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_spoiled_is_found_and_nothing_else(what: str, folder: Path) -> None:
    spoil, kind, reason = SPOILED[what]
    spoil(folder)
    found = findings(folder)
    assert [each.kind for each in found] == [kind], found
    assert reason in found[0].problem.reason
    assert found[0].problem.remedy
    if "JSON" not in what and "json" not in what and "sources" not in what:
        assert any(
            text in found[0].problem.name for text in ("img00000005.png", "img00000011.png", "img5.png", "24.png")
        )


@pytest.mark.parametrize("shift", [1, -1])
def test_masks_that_slipped_by_one_are_found(shift: int, folder: Path) -> None:
    for number in range(NUM):
        (folder / "seg" / name(number)).write_bytes(encode(picture((number + shift) % NUM)[1]))
    found = findings(folder)
    assert {each.kind for each in found} == {"wrong mask"}
    assert any(not each.items and "fit their images better" in each.problem.reason for each in found)


def test_one_mask_for_all_is_found(folder: Path) -> None:
    for number in range(NUM):
        (folder / "seg" / name(number)).write_bytes(encode(picture(0)[1]))
    assert "one mask for many" in {each.kind for each in findings(folder)}


@pytest.mark.parametrize("variant", ["plain", "noise", "clutter", "dim"])
def test_right_masks_are_not_taken_for_wrong(variant: str, tmp_path: Path) -> None:
    """Also where the picture has edges everywhere, or hardly any at the head."""
    images, masks = write_set(tmp_path, num=60)
    rng = np.random.default_rng(1)
    for number in range(60):
        pixels, mask = picture(number)
        wall = np.full((64, 64, 3), 170.0)
        for _ in range(40 if variant == "clutter" else 0):
            y, x = rng.integers(-10, 64, 2)
            wall[max(y, 0) : y + rng.integers(3, 25), max(x, 0) : x + rng.integers(3, 25)] = rng.uniform(0, 255, 3)
        if variant == "dim":
            wall[:] = pixels[mask > 250].mean(axis=0) + 12
        alpha = mask[..., None] / 255
        changed = pixels if variant in ("plain", "noise") else alpha * pixels + (1 - alpha) * wall
        noise = rng.normal(0, {"noise": 40, "dim": 4}.get(variant, 0), pixels.shape)
        replaced = np.clip(changed + noise, 0, 255).astype(np.uint8)
        (images / name(number)).write_bytes(encode(replaced))
    assert check(images, masks, workers=1).findings == []


def test_all_cameras_of_a_foreign_convention_are_told_once_with_a_recipe(folder: Path) -> None:
    set_labels(folder, lambda n, numbers: with_pose(numbers, lambda T: T * [1, -1, -1, 1]))
    found = findings(folder)
    assert [each.kind for each in found] == ["wrong camera"]
    assert f"all {NUM} cameras" in found[0].problem.reason
    assert "T[:, :3, 1:3] *= -1" in found[0].problem.remedy
    checked = check(folder / "img", folder / "seg", workers=1)
    with pytest.raises(DataError, match=r"nothing would be left.*wrong camera"):
        mend(checked, img_dest=folder / "i.zip", seg_dest=folder / "s.zip", workers=1, force=False)


def test_cameras_may_vary_without_being_odd(folder: Path) -> None:
    rng = np.random.default_rng(0)

    def vary(number: int, numbers: list[float]) -> list[float]:
        focal, (cx, cy) = 4.2647 * rng.uniform(0.6, 1.6), rng.uniform(0.42, 0.58, 2)
        return [*numbers[:16], focal, 0, cx, 0, focal, cy, 0, 0, 1]

    set_labels(folder, vary)
    assert findings(folder) == []


def test_the_published_example_is_sound_but_for_its_size(tmp_path: Path) -> None:
    found = check(*appendix_b(tmp_path), workers=1).findings
    assert [each.kind for each in found] == ["size"]
    assert "563 x 563" in found[0].problem.reason
    assert "pack" in found[0].problem.remedy


def test_a_folder_of_everything_at_once(tmp_path: Path) -> None:
    found = check(*mixed(tmp_path), workers=1).findings
    kinds = Counter(each.kind for each in found)
    assert kinds == {"size": 4, "kind of pixels": 4, "turned": 1}
    by_file = {each.problem.name.rpartition("/")[2]: each.problem.reason for each in found if each.kind != "size"}
    assert by_file.keys() == {"b_grey.png", "c_rgba.png", "d_palette.png", "e_16bit.png", "f_turned.jpg"}


def test_transparency_is_checked_where_it_is_the_mask(tmp_path: Path) -> None:
    images = tmp_path / "img"
    (images / "00000").mkdir(parents=True)
    for number in range(6):
        pixels, mask = picture(number)
        alpha = {3: 255 - mask, 4: mask * 0}.get(number, mask)
        (images / name(number)).write_bytes(encode(pixels if number == 5 else np.dstack([pixels, alpha])))
    write_labels(images, {name(n): label(n) for n in range(6)})
    found = check(images, None, workers=1).findings
    assert Counter(each.kind for each in found) == {
        "inverted mask": 1,
        "empty mask": 1,
        "no mask": 1,
        "kind of pixels": 1,
    }


def test_a_clean_copy_is_clean_and_everything_sound_is_in_it(folder: Path) -> None:
    replace_picture(folder, picture(5)[0][:, :, 1].copy())
    (folder / "seg" / name(7)).write_bytes(encode(picture(7)[1][::2, ::2].copy()))
    (folder / "seg" / name(8)).unlink()
    (folder / "img" / name(9)).write_bytes(b"")
    (folder / "seg" / "more.png").write_bytes(encode(picture(5)[1]))
    set_labels(folder, lambda n, numbers: numbers[:3] if n == 10 else numbers)
    checked = check(folder / "img", folder / "seg", workers=1)
    summary = mend(checked, img_dest=folder / "i.zip", seg_dest=folder / "s.zip", workers=1, force=False)
    assert summary.num_made == NUM - 3
    assert check(folder / "i.zip", folder / "s.zip", workers=1).findings == []
    index = open_index(folder / "i.zip", folder / "s.zip")
    kept = [n for n in range(NUM) if n not in (8, 9, 10)]
    for item, number in enumerate(kept):
        np.testing.assert_array_equal(index.labels[item], np.array(label(number), np.float32))
        if number != 5:
            np.testing.assert_array_equal(index.read_image(item), picture(number)[0])
    grey = decode_image(encode(picture(5)[0][:, :, 1].copy()), "")
    np.testing.assert_array_equal(index.read_image(kept.index(5)), grey)
    assert index.settings["mended"] == {"left_out": 3}


def test_a_clean_copy_keeps_its_sources(folder: Path) -> None:
    sources = [
        {"name": "a", "first": 0, "count": 10, "weight": 1},
        {"name": "b", "first": 10, "count": 14, "weight": 2},
    ]
    content = {"labels": {name(n): label(n) for n in range(NUM)}, "sources": sources, "synthetic": {"seed": 3}}
    (folder / "img" / "dataset.json").write_text(json.dumps(content))
    (folder / "seg" / name(2)).unlink()
    checked = check(folder / "img", folder / "seg", workers=1)
    mend(checked, img_dest=folder / "i.zip", seg_dest=folder / "s.zip", workers=1, force=False)
    settings = open_index(folder / "i.zip", folder / "s.zip").settings
    assert [(s["first"], s["count"], s["weight"]) for s in settings["sources"]] == [(0, 9, 1), (9, 14, 2)]
    assert settings["synthetic"] == {"seed": 3}
