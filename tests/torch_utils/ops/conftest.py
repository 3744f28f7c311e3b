# SPDX-License-Identifier: Apache-2.0
"""The native library, built once for the tests that compare with it."""

import pytest

from torch_utils.ops import native, toolchain


@pytest.fixture(scope="session")
def native_cpu() -> None:
    """Every CPU kernel serves. Only a machine without the tools may skip: a build that fails is a failure."""
    tools = toolchain.find()
    if not tools.can_build:
        pytest.skip(f"The native kernels cannot be built here. {' '.join(tools.missing)}")
    for op in ("biased_act", "fir_resample", "fir_act", "trigrid_sample", "composite", "importance_depths"):
        assert native.why_not(op, "cpu") is None
