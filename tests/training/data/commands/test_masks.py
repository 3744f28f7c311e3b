# SPDX-License-Identifier: Apache-2.0
"""The command: options arrive, the sheet is there, mistakes are one line."""

import numpy as np
from click.testing import CliRunner
from PIL import Image

from dataset_tool import main
from dnnlib.files import open_store
from tests.training.data.making.tiny_networks import write_onnx


def write_pictures(path, num=5):
    y, x = np.mgrid[:40, :40]
    with open_store(path, "w") as store:
        for i in range(num):
            bright = np.where(np.hypot(x - 20, y - 15 - i) < 9, 255, 30).astype(np.uint8)
            Image.fromarray(np.repeat(bright[..., None], 3, axis=2)).save(path / f"pic{i}.png")
        assert store is not None
    return path


def masks(*arguments):
    return CliRunner().invoke(main, ["masks", *map(str, arguments)])


def test_masks_and_a_sheet_are_made_and_told(tmp_path):
    img_data, network = write_pictures(tmp_path / "pictures"), write_onnx(tmp_path / "net.onnx")
    dest = tmp_path / "seg.zip"
    result = masks(
        "--img_data", img_data, "--seg_dest", dest, "--network", network, "--class_index", "1", "--input_range", "0..1",
        "--input_size", "40", "--device", "cpu", "--workers", "1", "--batch", "2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"5 masks are in {dest}" in result.output
    assert "softmax" in result.output
    with open_store(dest) as store:
        assert store.names() == [f"pic{i}.png" for i in range(5)]
    assert f"{tmp_path / 'seg-sheet.png'}" in result.output
    assert Image.open(tmp_path / "seg-sheet.png").width > 100


def test_mistakes_are_one_line_and_exit_code_1(tmp_path):
    img_data, network = write_pictures(tmp_path / "pictures"), write_onnx(tmp_path / "net.onnx")
    common = ["--img_data", img_data, "--seg_dest", tmp_path / "seg"]
    for arguments, words in (
        ([*common, "--network", network], "--class_index"),
        ([*common, "--network", tmp_path / "weights.pth"], "no such file"),
        (["--img_data", tmp_path / "pictuers", "--seg_dest", tmp_path / "seg", "--network", network], "pictures"),
    ):
        result = masks(*arguments)
        assert result.exit_code == 1, result.output
        assert words in result.output
        assert "Traceback" not in result.output
    assert masks(*common, "--network", network, "--class_index", "person").exit_code == 2
