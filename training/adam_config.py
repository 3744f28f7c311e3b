# SPDX-License-Identifier: Apache-2.0
"""Settings of Adam."""

from pydantic import Field

from dnnlib.config import Config


class AdamConfig(Config):
    """Step size and memory of Adam."""

    lr: float = Field(0.002, gt=0)
    """Learning rate."""

    beta1: float = Field(0.0, ge=0, lt=1)
    """Decay rate of the mean gradient."""

    beta2: float = Field(0.99, ge=0, lt=1)
    """Decay rate of the mean squared gradient."""

    eps: float = Field(1e-8, gt=0)
    """Keeps the step finite where gradients vanish."""
