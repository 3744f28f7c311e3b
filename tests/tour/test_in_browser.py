# SPDX-License-Identifier: Apache-2.0
"""`demo.py --quick` as a user gives it: all parts are done, once, and a browser shows all of their page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tour.browser import CHROMIUM, probe

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user") / "demo"
    ran = demo(folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


def demo(folder: Path) -> subprocess.CompletedProcess:
    """From the folder above, which commands are to be relative to."""
    command = [sys.executable, str(ROOT / "demo.py"), "--quick", f"--outdir={folder.name}"]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False)


def test_the_second_time_nothing_is_repeated(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.suffix in (".glb", ".zip", ".npz")}
    again = demo(folder)
    assert again.returncode == 0
    assert again.stderr.count("done before") == 5
    after = {path: path.stat().st_mtime_ns for path in before}
    own = {path for path in before if "checks" not in path.parts}
    assert own
    assert all(before[path] == after[path] for path in own)


def test_numbers_of_the_inversion_are_those_of_its_pictures(folder: Path) -> None:
    numbers = json.loads((folder / "inversion" / "truth.json").read_text())
    told = json.loads((folder / "inversion" / "found" / "inversion.json").read_text())
    assert len(numbers["unseen_db"]) == 7
    assert abs(told["azimuth_deg"][0]) < 45, "the head is seen nearly from the front in the picture that is given"
    # Of the head alone, so not the same; but of the same picture.
    (final,) = list(told["psnr_db"].values())[-1]
    assert numbers["given_db"] == pytest.approx(final, abs=6)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("width", [1400, 500])
def test_every_picture_and_the_film_are_seen_and_nothing_sticks_out(folder: Path, width: int) -> None:
    told = probe(folder / "index.html", width)
    assert all(told["found"].values()), told
    assert len(told["found"]) >= 8
    assert told["sideways"] <= 0


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_picture_that_is_missing_would_be_noticed(folder: Path) -> None:
    text = (folder / "index.html").read_text().replace("heads/shape.png", "heads/none.png")
    (folder / "broken.html").write_text(text)
    assert list(probe(folder / "broken.html")["found"].values()).count(False) == 1
