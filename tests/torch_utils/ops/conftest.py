# SPDX-License-Identifier: Apache-2.0
"""Machines for the tests of the build. The native library itself is in the folder above."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torch_utils.ops.machine import Machine
from torch_utils.ops import build


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
