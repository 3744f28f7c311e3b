# SPDX-License-Identifier: Apache-2.0
"""The native library, built once for the tests that compare with it, and machines for those of the build itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torch_utils.ops.machine import Machine
from torch_utils.ops import build, native, toolchain
from torch_utils.ops.__main__ import OPERATORS


@pytest.fixture(scope="session")
def native_cpu() -> None:
    """Every CPU kernel serves. Only a machine without the tools may skip: a build that fails is a failure."""
    tools = toolchain.find()
    if not tools.can_build:
        pytest.skip(f"The native kernels cannot be built here. {' '.join(tools.missing)}")
    for op in OPERATORS:
        assert native.why_not(op, "cpu") is None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine of its own: cache, compiler and sources in a temporary folder."""
    with Machine(tmp_path) as machine:
        yield machine


@pytest.fixture
def ready(machine, native_cpu) -> Machine:
    """A machine on which the real library is built, though no process of it has loaded it."""
    machine.adopt(build.find())
    machine.env["CXX"] = os.environ.get("CXX", "")
    return machine
