# SPDX-License-Identifier: Apache-2.0
"""Settings of GPUs are applied, and can be taken back."""

import pytest
import torch

from training import numerics
from training.numerics_config import NumericsConfig


def settings() -> dict[str, object]:
    """As every part of PyTorch may ask for them; some ask the newer interface, its compiler also the older one."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    return {
        "products": matmul.fp32_precision == "tf32",
        "products, as the compiler asks": matmul.allow_tf32,
        "products, by level": torch.get_float32_matmul_precision() != "highest",
        "convolutions": cudnn.conv.fp32_precision == "tf32",
        "convolutions, as the compiler asks": cudnn.allow_tf32,
    }


@pytest.mark.parametrize("tf32", [True, False])
def test_settings_are_applied_and_taken_back(tf32: bool) -> None:
    before, benchmark = settings(), torch.backends.cudnn.benchmark
    with numerics.applied(NumericsConfig(tf32=tf32, cudnn_benchmark=not tf32)):
        assert set(settings().values()) == {tf32}
        assert torch.backends.cudnn.benchmark == (not tf32)
        with numerics.applied(NumericsConfig(tf32=not tf32)):
            assert set(settings().values()) == {not tf32}
        assert set(settings().values()) == {tf32}
    assert settings() == before
    assert torch.backends.cudnn.benchmark == benchmark
