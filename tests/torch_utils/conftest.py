# SPDX-License-Identifier: Apache-2.0

import pytest

from tests.processes import Ranks
from torch_utils.ops import native, toolchain
from torch_utils.ops.__main__ import OPERATORS


@pytest.fixture(scope="module")
def start_ranks(tmp_path_factory):
    """Start a program as ranks; whatever still runs at the end of the module is killed."""
    started = []

    def start(program: str, num_ranks: int, **settings) -> Ranks:
        started.append(Ranks(tmp_path_factory.mktemp("ranks"), program, num_ranks, **settings))
        return started[-1]

    yield start
    for ranks in started:
        ranks.end()


@pytest.fixture(scope="session")
def native_cpu() -> None:
    """Every CPU kernel serves. Only a machine without the tools may skip: a build that fails is a failure."""
    tools = toolchain.find()
    if not tools.can_build:
        pytest.skip(f"The native kernels cannot be built here. {' '.join(tools.missing)}")
    for op in OPERATORS:
        assert native.why_not(op, "cpu") is None
