# SPDX-License-Identifier: Apache-2.0
"""What this machine can compile with: a C++ compiler, ninja, and nvcc. Looked up, never installed."""

import os
import platform
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

# Machine code for these, and PTX of the last for everything newer.
CUDA_ARCHITECTURES = ("80", "89", "90", "100")


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """Paths of the tools, and for each that is missing one line on how to get it."""

    cxx: str | None
    ninja: str | None
    nvcc: str | None  # None also where PyTorch was built without CUDA
    missing: tuple[str, ...]

    @property
    def can_build(self) -> bool:
        return self.cxx is not None and self.ninja is not None


def find() -> Toolchain:
    """Looks at CXX, CUDA_HOME, PATH and the environment's own scripts folder."""
    missing = []
    chosen = os.environ.get("CXX")
    cxx = _first_program([chosen] if chosen else ["c++", "g++", "clang++"])
    if cxx is None and chosen:
        # Taking another compiler would hide the mistake.
        missing.append(f"CXX={chosen} is no program: give the name of a C++ compiler, without arguments, or unset it.")
    elif cxx is None:
        missing.append("No C++ compiler was found: install g++ or clang++, or set CXX.")
    ninja = _first_program(["ninja", str(Path(sysconfig.get_path("scripts")) / "ninja")])
    if ninja is None:
        missing.append("ninja was not found: `pip install ninja`.")
    nvcc = None
    if torch.version.cuda is not None:
        cuda_home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
        nvcc = _first_program([str(Path(cuda_home) / "bin" / "nvcc"), "nvcc"])
        if nvcc is None:
            missing.append(f"nvcc was not found: install the CUDA {torch.version.cuda} toolkit, or set CUDA_HOME.")
    return Toolchain(cxx=cxx, ninja=ninja, nvcc=nvcc, missing=tuple(missing))


@lru_cache
def version_of(program: str) -> str:
    """The line of `program --version` that carries a number."""
    try:
        text = _output(program, "--version")
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unusable ({error})"
    lines = [line.strip() for line in text.splitlines() if re.search(r"\d+\.\d+", line)]
    return lines[0] if lines else "of unknown version"


@lru_cache
def cuda_architectures(nvcc: str) -> tuple[str, ...]:
    """Those of CUDA_ARCHITECTURES that this nvcc can compile for. An older one does not know the newest."""
    try:
        known = _output(nvcc, "--list-gpu-arch").split()
    except (OSError, subprocess.TimeoutExpired):
        known = []
    # An nvcc that names none of them is left to say itself what it minds.
    return tuple(arch for arch in CUDA_ARCHITECTURES if f"compute_{arch}" in known) or CUDA_ARCHITECTURES


@lru_cache
def processor() -> str:
    """Names the instruction set that -march=native means here, so that a shared cache never serves a foreign one."""
    try:
        info = Path("/proc/cpuinfo").read_text(errors="replace")
        flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", info, re.MULTILINE)
    except OSError:
        flags = None
    instructions = " ".join(sorted(flags[1].split())) if flags else platform.processor()
    return f"{platform.system()} {platform.machine()} {instructions}"


def _output(program: str, option: str) -> str:
    return subprocess.run(
        [program, option],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=20,
        check=False,
    ).stdout


def _first_program(candidates: list[str]) -> str | None:
    """The absolute path of the first that exists; the build runs in a folder of its own."""
    return next((os.path.abspath(found) for name in candidates if (found := shutil.which(name))), None)
