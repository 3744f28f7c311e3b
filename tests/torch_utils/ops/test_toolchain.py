# SPDX-License-Identifier: Apache-2.0
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from torch_utils.ops import toolchain


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Makes programs in the only folder of PATH. Nothing of this machine is found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CXX", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "scripts"))

    def make(name: str, lines: str = "") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_an_empty_machine_says_how_to_get_each_tool(program):
    tools = toolchain.find()
    assert (tools.cxx, tools.ninja, tools.can_build) == (None, None, False)
    compiler, ninja = tools.missing
    assert "install g++ or clang++, or set CXX" in compiler
    assert "pip install ninja" in ninja


def test_the_tools_of_path_suffice(program):
    cxx, ninja = program("clang++"), program("ninja")
    tools = toolchain.find()
    assert (tools.cxx, tools.ninja, tools.missing, tools.can_build) == (cxx, ninja, (), True)


def test_ninja_is_found_beside_python_though_no_environment_is_activated(program):
    ninja = program("scripts/ninja")
    assert toolchain.find().ninja == ninja


def test_the_compiler_that_was_chosen_comes_first(program, monkeypatch):
    program("c++")
    chosen = program("icpx")
    monkeypatch.setenv("CXX", "icpx")
    assert toolchain.find().cxx == chosen


@pytest.mark.parametrize("choice", ["ccache g++", "/nowhere/g++"])
def test_no_other_compiler_replaces_one_that_was_chosen_wrongly(program, monkeypatch, choice):
    program("c++")
    program("g++")
    monkeypatch.setenv("CXX", choice)
    tools = toolchain.find()
    assert tools.cxx is None
    assert f"CXX={choice} is no program" in tools.missing[0]


def test_paths_are_absolute_since_the_build_runs_elsewhere(program, tmp_path, monkeypatch):
    cxx = program("bin/c++")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CXX", "./bin/c++")
    assert os.path.samefile(toolchain.find().cxx, cxx)
    assert os.path.isabs(toolchain.find().cxx)


def test_nvcc_is_wanted_where_pytorch_has_cuda_and_is_no_condition_for_building(program, monkeypatch):
    program("c++")
    program("ninja")
    program("nvcc")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert toolchain.find().nvcc is None
    assert toolchain.find().missing == ()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert toolchain.find().nvcc is not None
    nvcc = program("toolkit/bin/nvcc")
    monkeypatch.setenv("CUDA_HOME", str(Path(nvcc).parents[1]))
    assert toolchain.find().nvcc == nvcc


def test_a_missing_nvcc_names_the_toolkit_that_fits(program, monkeypatch):
    program("c++")
    program("ninja")
    monkeypatch.setattr(torch.version, "cuda", "98.7")
    monkeypatch.setenv("CUDA_HOME", "/nowhere")
    tools = toolchain.find()
    assert tools.can_build
    assert "CUDA 98.7 toolkit" in tools.missing[0]


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        ('echo "c++ (Debian 12.2.0-14) 12.2.0"; echo "Copyright 2022"', "c++ (Debian 12.2.0-14) 12.2.0"),
        ('echo "nvcc: NVIDIA"; echo "Built on Tue"; echo "release 13.0, V13.0.48"', "release 13.0, V13.0.48"),
        ("printf 'caf\\351 1.5\\n'", "caf\N{REPLACEMENT CHARACTER} 1.5"),
        ("exit 3", "of unknown version"),
    ],
)
def test_a_version_is_the_line_that_carries_a_number(program, lines, version):
    assert toolchain.version_of(program("tool", lines)) == version


def test_a_program_that_cannot_tell_its_version_is_unusable(program, monkeypatch):
    broken = Path(program("broken"))
    broken.write_bytes(b"\x7fELF")
    assert toolchain.version_of(str(broken)).startswith("unusable")

    def hang(*args: object, timeout: float, **kwargs: object) -> None:
        raise subprocess.TimeoutExpired("tool", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "timed out" in toolchain.version_of(program("hanging"))


@pytest.mark.parametrize(
    ("known", "compiled"),
    [
        (("75", "80", "86", "89", "90", "100", "120"), ("80", "89", "90", "100")),
        (("50", "80", "89", "90"), ("80", "89", "90")),  # a toolkit from before sm_100
        ((), toolchain.CUDA_ARCHITECTURES),  # it will say itself what it minds
    ],
)
def test_code_is_made_for_the_architectures_that_nvcc_knows(program, known, compiled):
    nvcc = program("nvcc", "\n".join(f"echo compute_{name}" for name in known))
    assert toolchain.cuda_architectures(nvcc) == compiled


def test_the_processor_is_told_from_others(monkeypatch):
    toolchain.processor.cache_clear()
    here = toolchain.processor()
    toolchain.processor.cache_clear()
    assert toolchain.processor() == here
    assert platform.machine() in here
    toolchain.processor.cache_clear()
    monkeypatch.setattr(Path, "read_text", lambda path, errors: "flags\t\t: fpu avx9000\n")
    assert toolchain.processor() != here
    assert toolchain.processor().endswith("avx9000 fpu")
    toolchain.processor.cache_clear()
