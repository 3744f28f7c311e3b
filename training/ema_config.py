# SPDX-License-Identifier: Apache-2.0
"""How the generator is averaged over time."""

from pydantic import Field

from dnnlib.config import Config


class EmaConfig(Config):
    """The averaged generator."""

    half_life_nimg: float = Field(10_000.0, gt=0)
    """Images after which a weight counts for half in the average."""

    rampup: float | None = Field(0.05, gt=0)
    """The half-life is at most this share of the images seen; null for runs that start from trained weights."""
