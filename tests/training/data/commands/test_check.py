# SPDX-License-Identifier: Apache-2.0

import json
from pathlib import Path

from click.testing import CliRunner, Result

from tests.training.data.making.sample_sets import encode, mixed, picture, write_set
from training.data.commands.check import command


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [*map(str, arguments), "--workers", "1"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_sound_set_ends_with_0(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path)
    result = run("--img_data", images, "--seg_data", masks)
    assert result.exit_code == 0, result.output
    assert "12 images and their masks: no problems" in result.stdout


def test_problems_end_with_1_and_are_all_listed_and_counted(tmp_path: Path) -> None:
    images, masks = mixed(tmp_path)
    (masks / "g.png").unlink()
    report = tmp_path / "report.json"
    result = run("--img_data", images, "--seg_data", masks, "--report", report)
    assert result.exit_code == 1
    assert f"turned: {images}/f_turned.jpg: is turned by its EXIF data" in result.stdout
    assert "9 images and their masks: 10 problems" in result.stdout
    assert "       4  kind of pixels" in result.stdout
    content = json.loads(report.read_text())
    assert content["counts"] == {"size": 4, "kind of pixels": 4, "turned": 1, "no mask": 1}
    assert len(content["problems"]) == 10
    assert all(problem.keys() == {"kind", "file", "reason", "remedy"} for problem in content["problems"])


def test_a_copy_that_can_be_trained_on_ends_with_0(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path)
    (masks / "00000/img00000002.png").write_bytes(encode(picture(2)[1] // 4))
    dest = ["--img_dest", tmp_path / "i.zip", "--seg_dest", tmp_path / "s.zip"]
    assert run("--img_data", images, "--seg_data", masks).exit_code == 1
    result = run("--img_data", images, "--seg_data", masks, "--fix", *dest)
    assert result.exit_code == 0, result.output
    assert "clean copy of 11 images, 1 left out" in result.stdout
    assert str(tmp_path / "i.zip") in result.stdout
    assert run("--img_data", tmp_path / "i.zip", "--seg_data", tmp_path / "s.zip").exit_code == 0


def test_a_copy_that_cannot_be_trained_on_ends_with_1(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, side=60)
    dest = ["--img_dest", tmp_path / "i.zip", "--seg_dest", tmp_path / "s.zip"]
    result = run("--img_data", images, "--seg_data", masks, "--fix", *dest)
    assert result.exit_code == 1
    assert "still: " in result.stdout
    assert "dataset_tool.py pack" in result.stdout


def test_mistakes_are_told_in_a_line(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, 2)
    for arguments, message in [
        (["--img_data", images, "--fix"], "add --img_dest"),
        (["--img_data", images, "--img_dest", tmp_path / "i.zip"], "add --fix"),
        (["--img_data", images, "--seg_data", masks, "--fix", "--img_dest", tmp_path / "i.zip"], "add --seg_dest"),
        (["--img_data", tmp_path / "imgs"], "did you mean"),
    ]:
        result = run(*arguments)
        assert result.exit_code == 1
        assert message in result.output
        assert "Traceback" not in result.output


def test_a_zip_cut_in_half_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "half.zip").write_bytes(b"PK\x03\x04" + b"\0" * 500)
    result = run("--img_data", tmp_path / "half.zip")
    assert result.exit_code == 1
    assert "half.zip" in result.output
