# SPDX-License-Identifier: Apache-2.0
"""Settings of GPUs are applied, and can be taken back."""

import torch

from training import numerics
from training.numerics_config import NumericsConfig


def test_settings_are_applied_both_ways() -> None:
    for tf32, name in ((True, "tf32"), (False, "ieee")):
        numerics.apply(NumericsConfig(tf32=tf32, cudnn_benchmark=not tf32))
        assert torch.backends.cuda.matmul.fp32_precision == name
        assert torch.backends.cudnn.conv.fp32_precision == name
        assert torch.backends.cudnn.benchmark == (not tf32)
    torch.backends.cudnn.benchmark = False
