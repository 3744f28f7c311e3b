# SPDX-License-Identifier: Apache-2.0
"""The command: what it writes can be read as a set, is the same for all workers and counts, and mistakes are told."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from dataset_tool import main
from dnnlib.files import open_store
from training.data.index import open_index
from training.data.labels import DATASET_JSON
from training.data.synthetic.items import MakeHead, parameter_names
from training.data.synthetic.settings import GENERATOR_VERSION, FrontHeavy, SyntheticSettings

NOISY = [
    "--resolution", "32", "--seed", "3", "--cameras", "front-heavy", "--back-share", "0.5",
    "--drift", "0.1", "--jitter", "0.05", "--smile", "front",
]  # fmt: skip
SETTINGS = SyntheticSettings(
    resolution=32, seed=3, cameras=FrontHeavy(back_share=0.5), drift=0.1, jitter=0.05, smile="front"
)


def synth(folder: Path, *arguments: str | int):
    options = ["--img_dest", folder / "img.zip", *arguments]
    return CliRunner().invoke(main, ["synth", *map(str, options)])


def content_of(path: Path) -> dict[str, bytes]:
    with open_store(path) as store:
        return {name: store.read(name) for name in store.names()}


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    result = synth(folder, "--num", 8, "--seg_dest", folder / "seg.zip", "--workers", 1, *NOISY)
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_the_set_can_be_read_and_holds_the_items(made):
    folder, _ = made
    index = open_index(folder / "img.zip", folder / "seg.zip")
    assert len(index) == 8
    for number in range(8):
        item, read = MakeHead(SETTINGS)(number), index.read(number)
        np.testing.assert_array_equal(read.image, item.image)
        np.testing.assert_array_equal(read.mask, item.mask)
        np.testing.assert_array_equal(index.labels[number], item.label)


def test_the_set_records_the_generator_its_version_and_all_settings(made):
    folder, _ = made
    settings = open_index(folder / "img.zip", folder / "seg.zip").settings
    assert settings["synthetic"]["version"] == GENERATOR_VERSION
    assert SyntheticSettings.model_validate(settings["synthetic"]) == SETTINGS
    assert settings["synthetic_parameters"] == parameter_names()


def test_the_truth_holds_cameras_identities_and_depth_of_every_item(made):
    folder, _ = made
    files = content_of(folder / "img_truth.zip")
    truth = np.load(io.BytesIO(files["truth.npz"]))
    items = [MakeHead(SETTINGS)(number).truth for number in range(8)]
    assert set(truth) == set(items[0]) - {"depth"}
    for key in truth:
        assert truth[key].shape == (8, *items[0][key].shape)
        np.testing.assert_array_equal(truth[key], np.stack([item[key] for item in items]))
    for number in range(8):
        depth = np.load(io.BytesIO(files[f"00000/img{number:08d}/depth.npy"]))
        np.testing.assert_array_equal(depth, items[number]["depth"])


def test_the_bytes_do_not_depend_on_the_workers(made, tmp_path):
    folder, _ = made
    result = synth(tmp_path, "--num", 8, "--seg_dest", tmp_path / "seg.zip", "--workers", 2, *NOISY)
    assert result.exit_code == 0, result.output
    for name in ("img.zip", "seg.zip", "img_truth.zip", "img-sheet.png"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_longer_set_begins_with_the_shorter_one(made, tmp_path):
    longer, shorter = content_of(made[0] / "img.zip"), None
    result = synth(tmp_path, "--num", 3, "--seg_dest", tmp_path / "seg.zip", "--workers", 1, *NOISY)
    assert result.exit_code == 0, result.output
    shorter = content_of(tmp_path / "img.zip")
    assert len(shorter) == 4
    assert all(longer[name] == shorter[name] for name in shorter if name != DATASET_JSON)


def test_the_end_tells_where_everything_lies(made):
    folder, output = made
    assert "\n8 heads in " in f"\n{output}"  # A slow machine shows its progress first.
    for name in ("img.zip", "seg.zip", "img_truth.zip", "img-sheet.png"):
        assert str(folder / name) in output
    assert Image.open(folder / "img-sheet.png").width > 8 * 32


def test_without_a_place_for_masks_they_are_the_alpha(tmp_path):
    result = synth(
        tmp_path, "--num", 2, "--resolution", 32, "--workers", 1, "--no-depth", "--truth_dest", tmp_path / "t"
    )
    assert result.exit_code == 0, result.output
    index = open_index(tmp_path / "img.zip")
    item = MakeHead(SyntheticSettings(resolution=32))(1)
    np.testing.assert_array_equal(index.read(1).image, item.image)
    np.testing.assert_array_equal(index.read(1).mask, item.mask)
    assert list(content_of(tmp_path / "t")) == ["truth.npz"]


def test_a_folder_takes_the_set_and_one_identity_fills_it(tmp_path):
    dest = tmp_path / "one.v2"
    result = synth(tmp_path, "--num", 3, "--resolution", 32, "--identity", 5, "--workers", 1, "--img_dest", dest)
    assert result.exit_code == 0, result.output
    assert (dest / "00000/img00000002.png").is_file()
    assert (tmp_path / "one.v2-sheet.png").is_file()
    truth = np.load(io.BytesIO(content_of(tmp_path / "one.v2_truth.zip")["truth.npz"]))
    assert truth["identity"].tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--identity", 1, "--identities", 3], "give one of the two"),
        (["--back-share", 0.5], "--cameras front-heavy"),
        (["--drift", "nan"], "drift: got NaN"),
        (["--truth_dest", "img.tar"], "img.tar"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = synth(tmp_path, "--num", 2, "--resolution", 32, *arguments)
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--seed", "--identity"])
def test_numbers_out_of_range_are_told_by_the_name_of_their_option(option, tmp_path):
    for number in (-1, 2**63):
        result = synth(tmp_path, "--num", 2, option, number)
        assert result.exit_code == 2
        assert f"'{option}'" in result.output
        assert list(tmp_path.iterdir()) == []


def test_what_exists_is_kept_without_force(made):
    folder, _ = made
    before = (folder / "img.zip").read_bytes()
    result = synth(folder, "--num", 1, "--resolution", 32, "--workers", 1)
    assert result.exit_code == 1
    assert "--force" in result.output
    assert (folder / "img.zip").read_bytes() == before
