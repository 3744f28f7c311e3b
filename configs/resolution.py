# SPDX-License-Identifier: Apache-2.0
"""Networks of the size that the pictures of a data set have."""

from dnnlib.config import ConfigError
from dnnlib.config_paths import replace
from training.run_config import RunConfig


def fit_to_data(config: RunConfig, resolution: int) -> RunConfig:
    """The same system for pictures of another size: super-resolution follows, volumes and rays stay.

    Super-resolution enlarges 4 or 2 times, and is twice as wide where it enlarges 4 times. So PanoHead's 512 x 512
    becomes its published 256 x 256 and 128 x 128.
    """
    generator = config.generator
    if resolution == generator.resolution:
        return config
    if resolution < 16 or resolution & (resolution - 1):
        below = max(2 ** (resolution.bit_length() - 1), 16)
        raise ConfigError(
            f"The pictures have {resolution} x {resolution} pixels, and networks are built for powers of two from 16 "
            f"on: make others with `dataset_tool.py pack --resolution {below}x{below}`."
        )
    sr = generator.superresolution
    factor = resolution / sr.in_resolution
    if factor not in (2, 4):
        factor = 2 if factor < 2 else 4
    was_doubled, is_doubled = generator.resolution == 4 * sr.in_resolution, factor == 4
    widths = [round(width * 2.0 ** (is_doubled - was_doubled)) for width in sr.widths]
    in_resolution = resolution // int(factor)
    return replace(
        config,
        **{
            "generator.resolution": resolution,
            "generator.superresolution.in_resolution": in_resolution,
            "generator.superresolution.widths": widths,
            # Rays that super-resolution would throw away.
            "generator.renderer.resolution": min(generator.renderer.resolution, in_resolution),
            "critic.mask_tower_resolution": min(config.critic.mask_tower_resolution, resolution),
        },
    )
