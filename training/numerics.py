# SPDX-License-Identifier: Apache-2.0
"""The one place that sets how this process computes on GPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from training.numerics_config import NumericsConfig

# PyTorch's older names for TF32: its compiler reads them, and they raise an error once the newer ones were set.
_SETTINGS = (
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.cudnn, "allow_tf32"),
    (torch.backends.cudnn, "benchmark"),
    # Sums stay in float32 whatever the factors.
    (torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction"),
    (torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
)


def apply(config: NumericsConfig) -> None:
    """For everything that is computed from now on."""
    _set((config.tf32, config.tf32, config.cudnn_benchmark, False, False))


@contextmanager
def applied(config: NumericsConfig) -> Iterator[None]:
    """For everything that is computed inside."""
    before = tuple(getattr(owner, name) for owner, name in _SETTINGS)
    apply(config)
    try:
        yield
    finally:
        _set(before)


def _set(values: tuple[bool, ...]) -> None:
    for (owner, name), value in zip(_SETTINGS, values, strict=True):
        setattr(owner, name, value)
