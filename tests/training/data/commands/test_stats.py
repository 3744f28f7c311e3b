# SPDX-License-Identifier: Apache-2.0
"""`stats` prints what it found and leaves its picture beside the set, or where it is asked to."""

import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dnnlib.files import open_store
from training.cameras import HEAD_FOCAL, HEAD_RADIUS
from training.data.commands.stats import command
from training.data.images import encode_png
from training.data.labels import dataset_json

FRONT = [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, HEAD_RADIUS, 0, 0, 0, 1, HEAD_FOCAL, 0, 0.5, 0, HEAD_FOCAL, 0.5, 0, 0, 1]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--workers", "1"])


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    with open_store(tmp_path / "heads.zip", "w") as store:
        for name in ("a.png", "b.png"):
            store.write(name, encode_png(np.full((8, 8, 3), 200, dtype=np.uint8)))
        store.write("dataset.json", dataset_json(["a.png", "b.png"], np.array([FRONT, FRONT], dtype=np.float32)))
    return tmp_path / "heads.zip"


def test_the_picture_lies_beside_the_set_and_the_last_line_says_so(heads: Path) -> None:
    result = run("--img_data", heads)
    out = heads.with_name("heads-stats.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"The picture lies in {out}"
    assert Image.open(io.BytesIO(out.read_bytes())).size[0] == 1412
    assert "2 of 8 x 8" in result.output
    assert "azimuth" in result.output


def test_the_picture_goes_where_it_is_asked_to(heads: Path, tmp_path: Path) -> None:
    assert run("--img_data", heads, "--out", tmp_path / "new" / "x.png").exit_code == 0
    assert (tmp_path / "new" / "x.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--img_data", "nowhere.zip"), "nowhere.zip"), (("--img_data", "{heads}", "--out", "x.jpg"), "png")],
)
def test_mistakes_are_one_clean_message(heads: Path, arguments: tuple[str, ...], words: str) -> None:
    result = run(*(argument.format(heads=heads) for argument in arguments))
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output
