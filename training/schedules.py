# SPDX-License-Identifier: Apache-2.0
"""What changes while a run goes on, as a function of the image count alone."""

import dataclasses

from training.schedule_config import ScheduleConfig


@dataclasses.dataclass(frozen=True)
class StepValues:
    """What holds for one step. Handed down with the step, stored nowhere."""

    blur_sigma: float  # Of the critics' view, in pixels.
    swap_probability: float  # That an image's styles follow from another image's camera.
    density_noise: float  # Deviation of what is added to raw densities.
    raw_resolution: int  # Rays along a side of the raw picture.


def step_values(config: ScheduleConfig, raw_resolution: int, cur_nimg: int) -> StepValues:
    """The values at an image count. `raw_resolution` is where the ramp of the resolution begins."""
    final_resolution = raw_resolution if config.raw_resolution is None else config.raw_resolution
    return StepValues(
        blur_sigma=ramp(config.blur_sigma, 0.0, config.blur_nimg, cur_nimg),
        swap_probability=ramp(1.0, config.swap_probability, config.swap_nimg, cur_nimg),
        density_noise=ramp(config.density_noise, 0.0, config.density_noise_nimg, cur_nimg),
        raw_resolution=round(
            ramp(float(raw_resolution), float(final_resolution), config.raw_resolution_nimg, cur_nimg)
        ),
    )


def ramp(start: float, end: float, length_nimg: int, cur_nimg: int) -> float:
    """Straight from `start` at image 0 to exactly `end` at image `length_nimg`, where it stays."""
    assert cur_nimg >= 0, f"cur_nimg is {cur_nimg}"
    if cur_nimg >= length_nimg:
        return end
    share = cur_nimg / length_nimg
    return start * (1 - share) + end * share


def passed(before: int, now: int, every: int) -> bool:
    """Whether a multiple of `every` lies in (before, now]."""
    return now // every > before // every
