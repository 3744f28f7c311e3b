# SPDX-License-Identifier: Apache-2.0
"""An installation has all that a checkout has, the shipped models too."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOADED = "from training.pretrained import load_generator; print(load_generator('heads').img_resolution)"


@pytest.mark.slow
def test_the_default_model_is_found_in_an_installation(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "demo", "tests", "docs", "benchmarks")
    shutil.copytree(ROOT, tree, ignore=ignored)
    flags = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *flags, "-w", str(tmp_path), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {"models/heads.safetensors", "models/heads.md", "models/heads.json"} <= set(archive.namelist())
        archive.extractall(tmp_path / "site")
    # Nothing of the checkout may help.
    script = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {LOADED}"
    said = subprocess.run(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-s", "-c", script],
        cwd=tmp_path,
        env={"PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(said.stdout) >= 32
