# SPDX-License-Identifier: Apache-2.0
"""The one place that sets how this process computes on GPUs."""

import torch

from training.numerics_config import NumericsConfig


def apply(config: NumericsConfig) -> None:
    """For everything that is computed from now on."""
    precision = "tf32" if config.tf32 else "ieee"
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision
    torch.backends.cudnn.benchmark = config.cudnn_benchmark
    # Sums stay in float32 whatever the factors.
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
