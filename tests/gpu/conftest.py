# SPDX-License-Identifier: Apache-2.0
"""A GPU, and the native library with its CUDA kernels, before any test here."""

import pytest
import torch

from torch_utils.ops import native
from torch_utils.ops.__main__ import OPERATORS

WITHOUT_KERNEL = ("distance_field",)


@pytest.fixture(scope="session", autouse=True)
def native_cuda() -> None:
    """Skips without a GPU. With one, kernels that cannot be built are a failure: this folder is there to show them."""
    if not torch.cuda.is_available():
        built_for = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU only"
        pytest.skip(f"needs a CUDA device; this PyTorch is built for {built_for} and sees none")
    for op in OPERATORS:
        if op not in WITHOUT_KERNEL:
            assert native.why_not(op, "cuda") is None
