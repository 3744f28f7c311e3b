# SPDX-License-Identifier: Apache-2.0
"""Which transforms there are, how strong each is, and what decides their probability."""

from typing import Annotated, Literal

from pydantic import Field

from dnnlib.config import Config

Strength = Annotated[float, Field(ge=0, le=1)]


class TransformsConfig(Config):
    """Strength of every transform: its probability is this times p, and 0 switches it off. In order of application."""

    x_flip: Strength = 1.0
    """Mirrored, every second time. The one transform that is a motion of the camera: the camera is mirrored too."""

    quarter_turn: Strength = 1.0
    """Turned by 0, 90, 180 or 270 degrees."""

    pixel_shift: Strength = 1.0
    """Moved by whole pixels of the image, up to an eighth of its size along both axes."""

    scale: Strength = 1.0
    """Enlarged by 2^x, x normal with deviation 0.2."""

    rotation: Strength = 1.0
    """Turned by any angle, before and after `stretch`; neither happens with probability 1 - p."""

    stretch: Strength = 1.0
    """One axis enlarged by 2^x, the other reduced by as much, x normal with deviation 0.2."""

    shift: Strength = 1.0
    """Moved along both axes by parts of the size that are normal with deviation 0.125."""

    brightness: Strength = 1.0
    """A number is added to all channels, normal with deviation 0.2."""

    contrast: Strength = 1.0
    """All channels are multiplied by 2^x, x normal with deviation 0.5."""

    luma_flip: Strength = 1.0
    """Grey values change their sign, every second time; hues stay."""

    hue: Strength = 1.0
    """Colours are turned about the axis of grey by any angle."""

    saturation: Strength = 1.0
    """What is not grey is multiplied by 2^x, x normal with deviation 1."""

    bands: Strength = 0.0
    """Each of four octaves of spatial frequency is multiplied by 2^x, x normal with deviation 1."""

    noise: Strength = 0.0
    """Normal noise, its deviation the size of a normal number with deviation 0.1."""

    cutout: Strength = 0.0
    """A square of half the size, anywhere, becomes grey."""


class AugmentConfig(Config):
    """Whether pictures are augmented on their way to the critic, and how often."""

    mode: Literal["none", "fixed", "adaptive"] = "none"
    """`fixed` keeps p as it is; `adaptive` starts at 0 and follows the critic's confidence on real images."""

    p: float = Field(0.2, ge=0, le=1)
    """The overall probability in mode `fixed`."""

    target: float = Field(0.6, gt=-1, lt=1)
    """In mode `adaptive`: the mean sign of the critic's score of real images that p is adjusted for."""

    ramp_nimg: int = Field(500_000, ge=1)
    """In mode `adaptive`: p goes from 0 to 1 in no fewer images. A run that starts from weights may want 100000."""

    interval_nimg: int = Field(128, ge=1)
    """In mode `adaptive`: p is adjusted at the first step after every so many images."""

    transforms: TransformsConfig = TransformsConfig()
