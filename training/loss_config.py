# SPDX-License-Identifier: Apache-2.0
"""What both sides of the game are told to want. The functions are in losses/; the defaults are PanoHead's.

A term with an interval is computed in every so many steps, and counts as many times as much.
"""

from pydantic import Field

from dnnlib.config import Config
from training.losses.kinds import DensityKind, ShiftForm


class LossConfig(Config):
    """Terms by weight; a weight of 0 leaves the term out. And what is swapped or mixed to keep parts independent."""

    gamma: float = Field(1.0, ge=0)
    """Weight of R1 on image and raw picture."""

    gamma_mask: float = Field(1.0, ge=0)
    """Weight of R1 on the mask, which critics without masks have no use for."""

    r1_every: int = Field(16, ge=1)
    """Steps from one R1 to the next."""

    shift: float = Field(10.0, ge=0)
    """Weight of the squared camera shift, where the generator has one."""

    shift_form: ShiftForm = "per-sample"
    """`per-sample` is the paper's; `batch-mean`, in which opposite shifts cancel, that of the published code."""

    density: float = Field(0.0, ge=0)
    """Weight of smoothness, or of total variation. With 0 no density is regularised, whatever its kind."""

    density_kind: DensityKind = "l1"
    """Neighbouring densities: alike (`l1`, `total-variation`), or not falling inwards from the front either."""

    density_every: int = Field(4, ge=1)
    """Steps from one regularisation of densities to the next."""

    density_step: float = Field(0.004, gt=0)
    """How far apart the points of `l1` are: standard deviation, world units."""

    monotonicity: float = Field(10.0, ge=0)
    """Weight of what densities fall inwards, in the two kinds that look at it."""

    background_swap: float = Field(0.2, ge=0, le=1)
    """How often a picture has the background of another one, where there is a background."""

    style_mixing: float = Field(0.0, ge=0, le=1)
    """How often the later styles follow from a second latent code."""

    label_noise: float = Field(0.0, ge=0)
    """Noise on the cameras that critics are told, in standard deviations of the data set's labels."""
