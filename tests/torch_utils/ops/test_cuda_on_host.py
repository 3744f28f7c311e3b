# SPDX-License-Identifier: Apache-2.0
"""The CUDA kernels and their glue, carried out on the CPU: every index, barrier and gradient, without a GPU.

What only a GPU has stays untested here: its compiler, its streams and devices, sums in the order of atomics, and speed.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.cpp_extension import include_paths

from tests.torch_utils.ops.cuda_on_host.check import RELATED
from torch_utils.ops import build, toolchain

ROOT = Path(__file__).parents[3]
STAND_INS = Path(__file__).parent / "cuda_on_host"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """The CUDA half of the native library as C++ for tensors on the CPU."""
    tools = toolchain.find()
    if not tools.can_build:
        pytest.skip(" ".join(tools.missing))
    folder = tmp_path_factory.mktemp("cuda_on_host")
    torch_dir = Path(torch.__file__).parent
    includes = [f"-I{STAND_INS}", f"-I{build.CSRC}", *(f"-isystem{path}" for path in include_paths())]
    flags = ["-std=c++20", "-fPIC", "-Wall", "-Werror", "-Wno-unknown-pragmas", *includes]
    rules = {
        "kernel": ["-O1", *flags, "-x", "c++"],
        "glue": ["-O0", *flags, "-include", str(STAND_INS / "glue_prefix.h")],
        "host": ["-O1", *flags],
    }
    lines = [
        f"rule {name}\n  command = {shlex.join([tools.cxx, *arguments])} -c $in -o $out"
        for name, arguments in rules.items()
    ]
    libs = [f"-L{torch_dir / 'lib'}", f"-Wl,-rpath,{torch_dir / 'lib'}", "-ltorch_cpu", "-lc10", "-ltorch"]
    lines.append(f"rule link\n  command = {tools.cxx} -shared -Wl,-Bsymbolic $in -o $out {shlex.join(libs)}")
    sources = dict.fromkeys((build.CSRC / "cuda").glob("*.cu"), "kernel")
    sources |= dict.fromkeys((build.CSRC / "cuda").glob("*.cpp"), "glue")
    sources[STAND_INS / "host.cpp"] = "host"
    lines += [f"build {path.name}.o: {rule} {path}" for path, rule in sources.items()]
    lines.append(f"build library.so: link {' '.join(f'{path.name}.o' for path in sources)}")
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")
    done = subprocess.run([tools.ninja, "-C", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return folder / "library.so"


@pytest.mark.parametrize("op", RELATED)
def test_kernels_carried_out_on_the_cpu_equal_the_references(library, op):
    done = subprocess.run(
        [sys.executable, str(STAND_INS / "check.py"), str(library), op],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_every_cuda_kernel_is_carried_out():
    assert {path.stem for path in (build.CSRC / "cuda").glob("*.cu")} <= set(RELATED)
