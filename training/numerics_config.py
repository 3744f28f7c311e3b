# SPDX-License-Identifier: Apache-2.0
"""How a run computes where results are equal but for rounding: what is exact, what is chosen, what is compiled."""

from dnnlib.config import Config


class NumericsConfig(Config):
    """Of the whole process. CPUs look at `compile` only."""

    tf32: bool = False
    """Products of float32 with 10 bits of mantissa: several times as fast on recent GPUs, and less exact."""

    cudnn_benchmark: bool = True
    """Convolutions take the algorithm that was the fastest when it was tried, which may differ from run to run."""

    compile: bool = False
    """Networks of the generator that consist of convolutions are compiled when they are first called, for minutes."""
