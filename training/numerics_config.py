# SPDX-License-Identifier: Apache-2.0
"""How a GPU computes in float32, and how it chooses its algorithms."""

from dnnlib.config import Config


class NumericsConfig(Config):
    """Of the whole process. CPUs do not look at it."""

    tf32: bool = False
    """Products of float32 with 10 bits of mantissa: several times as fast on recent GPUs, and less exact."""

    cudnn_benchmark: bool = True
    """Convolutions take the algorithm that was the fastest when it was tried, which may differ from run to run."""
