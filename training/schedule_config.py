# SPDX-License-Identifier: Apache-2.0
"""What changes while a run goes on. schedules.py says how; the defaults are those of PanoHead's first stage."""

from pydantic import Field

from dnnlib.config import Config


class ScheduleConfig(Config):
    """Straight ramps over image counts. A ramp of 0 images is at its end from the beginning."""

    blur_sigma: float = Field(10.0, ge=0)
    """Blur of what critics see at image 0, in pixels; it falls to none."""

    blur_nimg: int = Field(200_000, ge=0)
    """Images over which the blur falls."""

    swap_probability: float = Field(0.7, ge=0, le=1)
    """How often styles follow from another image's camera in the end; at image 0 they always do."""

    swap_nimg: int = Field(1_000_000, ge=0)
    """Images over which the probability falls from 1."""

    density_noise: float = Field(1.0, ge=0)
    """Deviation of what is added to raw densities at image 0; it falls to none."""

    density_noise_nimg: int = Field(200_000, ge=0)
    """Images over which the density noise falls."""

    raw_resolution: int | None = Field(None, ge=1, examples=[128])
    """Rays along a side of the raw picture in the end; null: they stay what generator.renderer.resolution says."""

    raw_resolution_nimg: int = Field(1_000_000, ge=0)
    """Images over which the resolution goes from the one to the other."""
