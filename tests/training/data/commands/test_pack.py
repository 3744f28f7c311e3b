# SPDX-License-Identifier: Apache-2.0

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.training.data.making.sample_sets import appendix_b, mixed, write_set
from training.data.commands.pack import command
from training.data.index import open_index


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [*map(str, arguments), "--workers", "1"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def dest(tmp_path: Path) -> list[object]:
    return ["--img_dest", tmp_path / "i.zip", "--seg_dest", tmp_path / "s.zip"]


def test_the_published_command_does_here_what_it_says_there(tmp_path: Path, dest: list[object]) -> None:
    images, masks = appendix_b(tmp_path)
    result = run("--img_source", images, "--seg_source", masks, *dest, "--resolution", "512x512")
    assert result.exit_code == 0, result.output
    assert "2 pictures packed, 0 left out" in result.output
    assert str(tmp_path / "i.zip") in result.output
    index = open_index(tmp_path / "i.zip", tmp_path / "s.zip")
    assert index.read(1).image.shape == (512, 512, 3)


def test_all_published_names_are_accepted(tmp_path: Path, dest: list[object]) -> None:
    images, masks = appendix_b(tmp_path)
    more = ["--max-images", 1, "--transform", "center-crop-wide", "--use_basename", "True", "--ext", "jpg"]
    result = run("--img_source", images, "--seg_source", masks, *dest, "--resolution", "64x64", *more)
    assert result.exit_code == 0, result.output
    assert open_index(tmp_path / "i.zip", tmp_path / "s.zip").names[0] == "00000/img00000000.jpg"


def test_what_is_left_out_is_counted_listed_and_reported(tmp_path: Path, dest: list[object]) -> None:
    images, masks = mixed(tmp_path)
    report = tmp_path / "report.json"
    result = run("--img_data", images, "--seg_data", masks, *dest, "--resolution", 64, "--report", report)
    assert result.exit_code == 0, result.output
    assert "6 pictures packed, 3 left out" in result.output
    assert "h_wide.png: is 100 x 64, not square" in result.stderr
    assert json.loads(report.read_text())["counts"] == {"left out": 3}


def test_sources_are_repeated_with_masks_and_weights(tmp_path: Path, dest: list[object]) -> None:
    first, second = write_set(tmp_path / "a", 3), write_set(tmp_path / "b", 5)
    sources = [
        *("--img_data", first[0], "--seg_data", first[1], "--weight", 0.5),
        *("--img_data", second[0], "--seg_data", second[1], "--weight", 0.5),
    ]
    assert run(*sources, *dest).exit_code == 0
    weights = open_index(tmp_path / "i.zip", tmp_path / "s.zip").weights
    np.testing.assert_allclose(weights, [0.5 / 3] * 3 + [0.5 / 5] * 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolution", "500"], "power of two"),
        (["--resolution", "512x256"], "power of two"),
        (["--resolution", "big"], "not a size"),
        (["--weight", "0"], "every --weight is 0"),
        (["--weight", "1", "--weight", "2"], "give one for each"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments: list[str], message: str, tmp_path: Path, dest: list[object]) -> None:
    images, masks = write_set(tmp_path, 2)
    result = run("--img_data", images, "--seg_data", masks, *dest, *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "i.zip").exists()


def test_a_zip_cut_in_half_is_told_by_name(tmp_path: Path, dest: list[object]) -> None:
    assert run("--img_data", write_set(tmp_path, 3)[0], "--img_dest", tmp_path / "whole.zip").exit_code == 0
    data = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "half.zip").write_bytes(data[: len(data) // 2])
    result = run("--img_data", tmp_path / "half.zip", *dest[:2])
    assert result.exit_code == 1
    assert "half.zip" in result.output
    assert "Traceback" not in result.output


def test_an_existing_destination_needs_force(tmp_path: Path, dest: list[object]) -> None:
    source = ["--img_data", write_set(tmp_path, 2)[0], *dest[:2]]
    assert run(*source).exit_code == 0
    again = run(*source)
    assert again.exit_code == 1
    assert "--force" in again.output
    assert run(*source, "--force").exit_code == 0
