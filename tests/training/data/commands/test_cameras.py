# SPDX-License-Identifier: Apache-2.0
"""`cameras` takes cameras to any format and back, says what it did, and writes nothing that is not in order."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from training.camera_paths import camera_on_sphere, sample_hv
from training.cameras import label_from_camera
from training.data.commands.cameras import command
from training.data.images import encode_png
from training.data.labels import dataset_json


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)))


def labels_in(path: Path) -> dict[str, list[float]]:
    return dict(json.loads(path.read_text())["labels"])


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    """A folder of oblong pictures with dataset.json."""
    h, v = sample_hv(12, h_std_rad=math.pi, v_std_rad=0.4, kind="uniform", generator=torch.Generator().manual_seed(0))
    names = [f"{i:02}.png" for i in range(12)]
    folder = tmp_path / "heads"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(encode_png(np.zeros((8, 12, 3), dtype=np.uint8)))
    labels = label_from_camera(camera_on_sphere(h, v)).numpy().astype(np.float32)
    (folder / "dataset.json").write_bytes(dataset_json(names, labels))
    return folder


@pytest.mark.parametrize("form", ["transforms", "colmap"])
def test_cameras_come_back_from_another_format_with_another_world(heads: Path, tmp_path: Path, form: str) -> None:
    there = tmp_path / ("there.json" if form == "transforms" else "there")
    result = run("--source", heads, "--img_data", heads, "--to", form, "--out", there, "--up", "-z")
    assert result.exit_code == 0, result.output
    result = run("--source", there, "--img_data", heads, "--up", "z", "--out", tmp_path / "back.json")
    assert result.exit_code == 0, result.output
    assert f"lie in {tmp_path / 'back.json'}" in result.output.splitlines()[-1]
    assert "not square" in result.output
    before, after = labels_in(heads / "dataset.json"), labels_in(tmp_path / "back.json")
    assert before.keys() == after.keys()
    for name, label in before.items():
        np.testing.assert_allclose(after[name], label, rtol=0, atol=1e-6)


def test_a_scan_of_unknown_place_scale_and_front_becomes_a_set(heads: Path, tmp_path: Path) -> None:
    before = labels_in(heads / "dataset.json")
    rng = np.random.default_rng(0)
    R, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    R *= np.linalg.det(R)
    moved = {}
    for name, label in before.items():
        T = np.reshape(label[:16], (4, 4)).copy()
        T[:3, 3] *= 11
        T[:3] = R @ T[:3]
        T[:3, 3] += [40, -7, 100]
        moved[name] = [*T.flatten().tolist(), *label[16:]]
    (tmp_path / "scan.json").write_text(json.dumps({"labels": moved}))
    mend = ("--up", "cameras", "--recentre", "--rescale", "--front", "03.png")
    result = run("--source", tmp_path / "scan.json", "--out", tmp_path / "out.json", *mend)
    assert result.exit_code == 0, result.output
    assert "recentred" in result.output
    assert "rescaled" in result.output
    after = labels_in(tmp_path / "out.json")
    turn = np.reshape(after["03.png"][:16], (4, 4))[:3, :3] @ np.reshape(before["03.png"][:16], (4, 4))[:3, :3].T
    np.testing.assert_allclose(turn[1], [0, 1, 0], atol=1e-5)
    for name, label in before.items():
        T = np.reshape(label[:16], (4, 4))
        np.testing.assert_allclose(np.reshape(after[name][:16], (4, 4))[:3], turn @ T[:3], atol=1e-4)


def test_cameras_that_are_not_in_order_are_not_written_and_the_way_out_is_told(heads: Path, tmp_path: Path) -> None:
    run("--source", heads, "--img_data", heads, "--to", "transforms", "--out", tmp_path / "t.json", "--up", "-z")
    result = run("--source", tmp_path / "t.json", "--out", tmp_path / "d.json")
    assert result.exit_code == 1
    assert "--up z" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "d.json").exists()


def test_what_exists_is_replaced_only_by_force(heads: Path) -> None:
    before = (heads / "dataset.json").read_bytes()
    arguments = ("--source", heads, "--out", heads / "dataset.json", "--focal", "4.2")
    result = run(*arguments)
    assert result.exit_code == 1
    assert "--force" in result.output
    assert (heads / "dataset.json").read_bytes() == before
    assert run(*arguments, "--force").exit_code == 0
    assert labels_in(heads / "dataset.json")["00.png"][16] == 4.2


def test_sizes_that_nobody_says_are_asked_for(heads: Path, tmp_path: Path) -> None:
    result = run("--source", heads, "--to", "colmap", "--out", tmp_path / "model")
    assert result.exit_code == 1
    assert "--img_data" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--source", "nowhere", "--out", "x.json"), "nowhere"),
        (("--source", "{heads}", "--out", "x.txt"), "json"),
        (("--source", "{heads}", "--out", "x.json", "--format", "colmap"), "images.txt"),
        (("--source", "{heads}", "--out", "x.json", "--front", "99.png"), "99.png"),
        (("--source", "{heads}", "--out", "{heads}"), "json"),
    ],
)
def test_mistakes_are_one_clean_message(heads: Path, arguments: tuple[str, ...], words: str) -> None:
    result = run(*(argument.format(heads=heads) for argument in arguments))
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output
