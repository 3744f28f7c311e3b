# SPDX-License-Identifier: Apache-2.0
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from torch_utils.ops import build, recipe, toolchain
from torch_utils.ops.toolchain import Toolchain

# Notes how it was called, and makes the file that it was asked for.
FAKE = """#!/bin/sh
case "$1" in --list-gpu-arch) echo compute_80; echo compute_90; exit;; esac
echo "$(basename "$0") $*" >> "$(dirname "$0")/trace"
while [ "$1" != -o ]; do shift; done
touch "$2"
"""


@pytest.fixture
def calls(tmp_path: Path) -> list[list[str]]:
    """Runs the recipe of a library with CUDA by stand-ins for both compilers. Returns their command lines."""
    csrc = tmp_path / "c src"
    for name in ("cpu/first.cpp", "cuda/first.cpp", "cuda/first.cu", "cuda/first.cuh", "layout.h"):
        (csrc / name).parent.mkdir(parents=True, exist_ok=True)
        (csrc / name).touch()
    for name in ("c++", "nvcc"):
        (tmp_path / name).write_text(FAKE)
        (tmp_path / name).chmod(0o755)
    tools = Toolchain(cxx=str(tmp_path / "c++"), ninja=shutil.which("ninja"), nvcc=str(tmp_path / "nvcc"), missing=())
    if tools.ninja is None:
        pytest.skip("ninja is not installed")
    work = tmp_path / "work"
    work.mkdir()
    (work / "build.ninja").write_text(recipe.ninja_file(csrc, tools, "library.so", with_cuda=True))
    subprocess.run([tools.ninja, "-C", work], check=True, capture_output=True, timeout=30)
    assert (work / "library.so").exists()
    return [shlex.split(line) for line in (tmp_path / "trace").read_text().splitlines()]


def test_each_source_is_compiled_once_and_all_objects_are_linked(calls):
    compiled = [call for call in calls if "-c" in call]
    assert sorted(call[0] for call in compiled) == ["c++", "c++", "nvcc"]
    objects = {call[call.index("-o") + 1] for call in compiled}
    assert len(objects) == 3  # sources of the same name do not overwrite each other's
    (link,) = (call for call in calls if "-c" not in call)
    assert objects < set(link)
    assert {"-ltorch_cpu", "-ltorch_cuda"} < set(link)


def test_nvcc_links_what_it_compiled(calls):
    """It may be called by a script that lies elsewhere, so the folder of its runtime cannot be told from its path."""
    (link,) = (call for call in calls if "-c" not in call)
    assert link[0] == "nvcc"
    assert "-cudart=static" in link  # PyTorch may carry another version of the shared one
    assert not any(flag.startswith("-Wl,") for flag in link)  # which nvcc does not know


def test_kernels_are_compiled_for_what_nvcc_knows_and_as_ptx_for_newer_ones(calls):
    (nvcc,) = (call for call in calls if call[0] == "nvcc" and "-c" in call)
    assert [flag for flag in nvcc if flag.startswith("-gencode")] == [
        "-gencode=arch=compute_80,code=sm_80",
        "-gencode=arch=compute_90,code=sm_90",
        "-gencode=arch=compute_90,code=compute_90",
    ]
    assert not any("torch" in flag for flag in nvcc)  # kernels include no PyTorch header


def test_the_newest_architecture_is_last():
    assert sorted(toolchain.CUDA_ARCHITECTURES, key=int) == list(toolchain.CUDA_ARCHITECTURES)
    assert recipe.cuda_compile_flags()[-1] == "-gencode=arch=compute_100,code=compute_100"


def test_without_cuda_no_source_of_it_is_taken():
    without, with_cuda = (recipe.sources(build.CSRC, flag) for flag in (False, True))
    assert {path.parent.name for path in without} == {"cpu"}
    assert {path.parent.name for path in with_cuda} == {"cpu", "cuda"}
    assert {path.suffix for path in with_cuda} == {".cpp", ".cu"}
