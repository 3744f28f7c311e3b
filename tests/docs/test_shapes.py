# SPDX-License-Identifier: Apache-2.0
"""The page on shapes says what the code does."""

import re
from pathlib import Path

import pytest

from tests.training.shapes.scenes import scene
from training import pretrained
from training.shapes.export import DEFAULT_RESOLUTION, SHAPE_FORMATS
from training.shapes.follow import coarse_stride
from training.shapes.grid import MAX_RESOLUTION, MIN_RESOLUTION
from training.shapes.looks import RINGS

PAGE = (Path(__file__).parents[2] / "docs" / "shapes.md").read_text(encoding="utf-8")


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    G, _ = scene(lambda p: 10 + 500 * (0.2 - p.norm(dim=1)), size=16)
    monkeypatch.setattr(pretrained, "load_generator", lambda name: G)
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(compile(block.replace("resolution=256", "resolution=32"), "shapes.md", "exec"), {})
    assert (tmp_path / "seed0000.glb").stat().st_size > 1000
    assert "of the points asked" in capsys.readouterr().out


def test_its_numbers_and_formats_are_those_of_the_code() -> None:
    assert re.findall(r"^\| `\.(\w+)` \|", PAGE, re.MULTILINE) == ["glb", "ply", "obj", "mrc"]
    assert sorted(SHAPE_FORMATS) == ["glb", "mrc", "obj", "ply"]
    assert f"from {MIN_RESOLUTION} to {MAX_RESOLUTION}; {DEFAULT_RESOLUTION} if not given" in PAGE
    views = sum(ring.num_views for ring in RINGS)
    assert f"baked from {views} views" in PAGE
    assert f"the {views} views" in PAGE
    assert coarse_stride(221) == 1 < coarse_stride(222)


def test_every_page_that_it_links_is_there() -> None:
    for page in re.findall(r"\]\((\w[\w-]*\.md)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / page).is_file()
