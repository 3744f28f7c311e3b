# SPDX-License-Identifier: Apache-2.0
"""The command on a folder of drawn heads: crops, cameras, masks, crop matrices, report, and mistakes in one line."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dataset_tool import main
from dnnlib.files import open_store
from tests.training.data.making.point_heads import point_head
from training.camera_checks import check_labels
from training.data.images import decode_image, decode_mask, encode_png
from training.data.labels import read_dataset_json
from training.data.making.crops import Crop

SIZE = 2000
NUM_FACES, NUM_BACKS = 14, 6


def align(*arguments):
    return CliRunner().invoke(main, ["align", *map(str, arguments)])


def draw(head, size=SIZE):
    """A grey disc where the true crop has its middle, and the mask of it."""
    centre, radius = head.crop.centre, 0.3 * head.crop.side
    y, x = np.mgrid[:size:8, :size:8] + 4.0  # Drawn coarsely, for speed.
    disc = (np.hypot(x - centre.real, y - centre.imag) < radius).astype(np.uint8)
    mask = np.asarray(Image.fromarray(255 * disc).resize((size, size), Image.Resampling.BILINEAR))
    picture = np.stack([mask, 255 - mask, np.full_like(mask, 90)], axis=-1)
    return picture, mask


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """A folder of photos, masks, landmarks of the faces, boxes and poses of all."""
    folder = tmp_path_factory.mktemp("heads")
    rng = np.random.default_rng(0)
    faces = {f"face{i:02}": point_head(rng, yaw) for i, yaw in enumerate(np.linspace(-70, 70, NUM_FACES))}
    backs = {f"more/back{i}": point_head(rng, yaw) for i, yaw in enumerate(np.linspace(100, 260, NUM_BACKS))}
    with open_store(folder / "photos", "w") as photos, open_store(folder / "mattes", "w") as mattes:
        for name, head in (faces | backs).items():
            picture, mask = draw(head)
            photos.write(f"{name}.png", encode_png(picture, 1))
            mattes.write(f"{name}.png", encode_png(mask, 1))
    marks = {f"{name}.png": [[p.real, p.imag] for p in head.landmarks.tolist()] for name, head in faces.items()}
    (folder / "landmarks.json").write_text(json.dumps(marks))
    notes = {}
    for name, head in (faces | backs).items():
        yaw, pitch, roll = map(math.degrees, head.view)
        notes[f"{name}.png"] = {"box": list(map(float, head.box)), "yaw": yaw, "pitch": pitch, "roll": roll}
    (folder / "boxes.json").write_text(json.dumps(notes))
    return folder, faces | backs


def arguments_of(folder, dest, *more):
    return [
        "--img_data", folder / "photos", "--seg_data", folder / "mattes", "--landmarks", folder / "landmarks.json",
        "--boxes", folder / "boxes.json", "--img_dest", dest / "img.zip", "--seg_dest", dest / "seg.zip",
        "--resolution", 64, "--workers", 1, *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def aligned(heads, tmp_path_factory):
    dest = tmp_path_factory.mktemp("aligned")
    result = align(*arguments_of(heads[0], dest))
    assert result.exit_code == 0, result.output
    return dest, result


def test_every_head_comes_out_in_the_middle_at_one_size(aligned):
    dest, _ = aligned
    with open_store(dest / "img.zip") as images, open_store(dest / "seg.zip") as masks:
        names = [name for name in images.names() if name.endswith(".png")]
        assert len(names) == NUM_FACES + NUM_BACKS
        centres, radii = [], []
        for name in names:
            mask = decode_mask(masks.read(name), name) / 255.0
            assert decode_image(images.read(name), name).shape == (64, 64, 3)
            y, x = np.mgrid[:64, :64] + 0.5
            centres.append([(mask * x).sum() / mask.sum(), (mask * y).sum() / mask.sum()])
            radii.append(math.sqrt(mask.sum() / math.pi))
    assert np.abs(np.array(centres) - 32).max() < 0.08 * 64
    assert np.abs(np.array(centres) - 32).mean() < 0.03 * 64
    np.testing.assert_allclose(radii, 0.3 * 64, rtol=0.2)


def test_labels_are_the_given_poses(aligned, heads):
    dest, _ = aligned
    with open_store(dest / "img.zip") as images:
        found = read_dataset_json(images.read("dataset.json"), "dataset.json")
    check_labels(found.labels)
    sources = dict(found.settings["fnames"])
    forward = found.labels[:, [2, 6, 10]]
    for name, direction in zip(found.names, forward, strict=True):
        view = heads[1][sources[name].removesuffix(".png")].view
        azimuth_rad = math.atan2(-direction[0], -direction[2])
        assert math.cos(azimuth_rad - view.azimuth_rad) == pytest.approx(1, abs=1e-5)


def test_the_folder_beside_the_set_says_how_every_crop_was_made(aligned, heads):
    dest, result = aligned
    folder = dest / "img_alignment"
    assert str(folder) in result.output
    written = json.loads((folder / "crops.json").read_text())
    assert written["resolution"] == 64
    assert len(written["crops"]) == NUM_FACES + NUM_BACKS
    for row in written["crops"].values():
        crop = Crop.of_matrix(np.array(row["T_source_crop"]).reshape(3, 3), 64)
        true = heads[1][row["source"].removesuffix(".png")].crop
        assert abs(crop.centre - true.centre) < 0.1 * true.side
        assert row["crop_from"] == ("landmarks" if row["source"].startswith("face") else "box")
        assert row["pose_from"] == "given"
    report = json.loads((folder / "report.json").read_text())
    assert report["crop_from"] == {"landmarks": NUM_FACES, "box": NUM_BACKS}
    assert report["after_calibration"]["scale_error_median"] < report["before_calibration"]["scale_error_median"]
    assert report["left_out"] == []
    sheet = np.asarray(Image.open(folder / "contact_sheet.png"))
    assert ((sheet[..., 0] > 200) & (sheet[..., 1] > 150) & (sheet[..., 2] < 80)).any()  # The outline.


def test_the_printed_offsets_give_the_same_crops_again(aligned, heads, tmp_path):
    dest, result = aligned
    offsets = result.output.split("--offsets ")[1].split()[0]
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "back0.png").write_bytes((heads[0] / "photos" / "more" / "back0.png").read_bytes())
    box = json.loads((heads[0] / "boxes.json").read_text())["more/back0.png"]
    (tmp_path / "boxes.json").write_text(json.dumps({"back0": box}))
    again = align(
        "--img_data", photos, "--boxes", tmp_path / "boxes.json", "--offsets", offsets, "--img_dest", tmp_path / "img",
        "--resolution", 64, "--workers", 1,
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    first = json.loads((dest / "img_alignment" / "crops.json").read_text())["crops"]
    second = json.loads((tmp_path / "img_alignment" / "crops.json").read_text())["crops"]
    (wanted,) = [row["T_source_crop"] for row in first.values() if row["source"] == "more/back0.png"]
    (found,) = [row["T_source_crop"] for row in second.values()]
    np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=0.5)


def test_pictures_that_cannot_be_used_are_listed_and_the_rest_is_made(heads, tmp_path):
    folder, _ = heads
    photos, mattes = tmp_path / "photos", tmp_path / "mattes"
    for source, target in ((folder / "photos", photos), (folder / "mattes", mattes)):
        target.mkdir()
        for i in range(8):
            (target / f"face{i:02}.png").write_bytes((source / f"face{i:02}.png").read_bytes())
    (photos / "face00.png").write_bytes(b"broken")
    (mattes / "face01.png").unlink()
    (mattes / "face02.png").write_bytes(encode_png(np.zeros((9, 9), np.uint8)))
    marks = json.loads((folder / "landmarks.json").read_text())
    marks = {name: points for name, points in marks.items() if name < "face08"}
    marks["face03.png"] = [[x + 1500, y] for x, y in marks["face03.png"]]
    marks["face04.png"] = marks["face04.png"][:5]
    marks["nobody.png"] = marks["face05.png"]
    (tmp_path / "landmarks.json").write_text(json.dumps(marks))
    result = align(
        "--img_data", photos, "--seg_data", mattes, "--landmarks", tmp_path / "landmarks.json",
        "--img_dest", tmp_path / "img.zip", "--seg_dest", tmp_path / "seg.zip", "--resolution", 32, "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "img_alignment" / "report.json").read_text())
    reasons = {problem["name"]: problem["reason"] for problem in report["left_out"]}
    expected = {
        "face00.png": "not a PNG", "face01.png": "no mask", "face02.png": "9 x 9", "face03.png": "within",
        "face04.png": "5 points", "nobody": "no such picture",
    }  # fmt: skip
    for name, words in expected.items():
        assert words in reasons[name], name
        assert name in result.output
    assert report["pictures"] == 3
    assert "3 of 8 pictures" in result.output


def test_mistakes_are_one_line_and_exit_code_1(heads, tmp_path):
    folder, _ = heads
    common = ["--img_data", folder / "photos", "--img_dest", tmp_path / "img.zip"]
    boxes = ["--boxes", folder / "boxes.json"]
    for arguments, words in (
        (common, "--landmarks, --boxes"),
        ([*common, *boxes], "--offsets"),
        ([*common, *boxes, "--offsets", "-1,0,0,0"], "positive"),
        ([*common, *boxes, "--pose_signs", "2,1,1"], "1 or -1"),
        ([*common, *boxes, "--seg_data", folder / "mattes"], "--seg_dest"),
        ([*common, *boxes, "--landmarks", folder / "landmarks.json", "--pose_signs", "-1,1,1"], "--pose_signs"),
        ([*common, "--landmarks", folder / "photos"], "landmark files"),
        ([*common, "--boxes", folder / "boxs.json"], "no such file"),
    ):
        result = align(*arguments)
        assert result.exit_code == 1, result.output
        assert words in result.output
        assert "Traceback" not in result.output
        assert not (tmp_path / "img.zip").exists()
    assert align(*common, *boxes, "--offsets", "1,2").exit_code == 2


def test_without_masks_transparency_is_cropped_with_the_picture(heads, tmp_path):
    folder, _ = heads
    (tmp_path / "photos").mkdir()
    picture, mask = (np.asarray(Image.open(folder / kind / "face05.png")) for kind in ("photos", "mattes"))
    Image.fromarray(np.dstack([picture, mask])).save(tmp_path / "photos" / "face05.png")
    marks = json.loads((folder / "landmarks.json").read_text())["face05.png"]
    (tmp_path / "marks.json").write_text(json.dumps({"face05": marks}))
    arguments = [
        "--img_data", tmp_path / "photos", "--landmarks", tmp_path / "marks.json", "--resolution", 32, "--workers", 1,
    ]  # fmt: skip
    kept = align(*arguments, "--img_dest", tmp_path / "rgba")
    apart = align(*arguments, "--img_dest", tmp_path / "rgb", "--seg_dest", tmp_path / "seg")
    assert kept.exit_code == apart.exit_code == 0, kept.output + apart.output
    name = "00000/img00000000.png"
    rgba, rgb, mask = (np.asarray(Image.open(tmp_path / kind / name)) for kind in ("rgba", "rgb", "seg"))
    np.testing.assert_array_equal(rgba[..., :3], rgb)
    np.testing.assert_array_equal(rgba[..., 3], mask)
