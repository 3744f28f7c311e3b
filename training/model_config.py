# SPDX-License-Identifier: Apache-2.0
"""What a generator and a critic consist of, slot by slot. builder.py makes the modules of it.

Everything that decides the shape of a tensor or the value of a pixel stands here and is kept with the weights; what a
run does with them (losses, schedules) stands elsewhere.
"""

from typing import Literal

from pydantic import Field

from dnnlib.config import Config

Precision = Literal["fp32", "bf16", "fp16"]


class MappingConfig(Config):
    """Latent code and camera to styles."""

    z_dim: int = Field(512, ge=1)
    """Numbers of a latent code."""

    w_dim: int = Field(512, ge=1)
    """Numbers of a style vector."""

    num_layers: int = Field(2, ge=1, le=64)
    """Layers between the two."""

    camera_scale: float = Field(1.0, ge=0)
    """The camera is multiplied by this before it is embedded; 0 hides it, so that styles do not depend on it."""


class TriGridConfig(Config):
    """Three stacks of feature planes and their decoder."""

    kind: Literal["trigrid"] = "trigrid"

    resolution: int = Field(256, ge=4)
    """Pixels along a side of a plane, a power of two."""

    depth: int = Field(3, ge=1)
    """Planes per stack."""

    channels: int = Field(32, ge=4)
    """Features per plane, and after the decoder."""

    channel_base: int = Field(32768, ge=1)
    """Layers of size R have channel_base / R channels, ..."""

    channel_max: int = Field(512, ge=1)
    """... but no more than this."""

    axes: Literal["xy_xz_yz", "xy_xz_zx"] = "xy_xz_yz"
    """Which coordinates the planes span; `xy_xz_zx` has one plane twice, as EG3D's published weights want it."""

    planar: bool | None = None
    """Two-dimensional sampling of single planes, as in EG3D; null: where depth is 1. Else features fade along it."""

    box_size: float = Field(1.0, gt=0)
    """Side of the box that the planes span, world units."""

    noise: bool = True
    """Per-pixel noise in the layers that make the planes. A short training makes hair and skin of it, which are stripes
    from any other side: better without."""

    crop_margin: float | None = Field(0.1, ge=0)
    """Pictures leave out what is closer than this to a side wall of the box."""

    decoder_width: int = Field(64, ge=1)
    """Hidden units of the decoder."""

    decoder_act: Literal["none", "lrelu", "sigmoid"] = "none"
    """What limits the features that are composited."""

    decoder_lr: float = Field(1.0, gt=0)
    """Learning-rate multiplier of the decoder."""


class MarcherConfig(Config):
    """Two passes of samples along every ray."""

    resolution: int = Field(64, ge=1, le=1024)
    """Rays along a side of the raw picture."""

    near: float | None = 2.25
    """Depth of the first sample, world units; null: where the ray enters the box."""

    far: float | None = 3.3
    """Depth of the last sample; null: where the ray leaves the box."""

    num_coarse: int = Field(48, ge=4)
    """Samples of the first pass."""

    num_fine: int = Field(48, ge=0)
    """Samples of the second pass, where the first saw something."""

    bins: Literal["exact", "published"] = "exact"
    """`published` places samples as the published models do, half a step off."""

    spacing: Literal["depth", "disparity"] = "depth"
    """What is spread evenly in the first pass."""

    empty: Literal["zero", "black", "white"] = "zero"
    """What a ray sees where nothing is."""

    memory_budget_mb: int = Field(128, ge=1)
    """Pictures are rendered in chunks of rays whose samples take about this much; the result is the same."""


class SuperResolutionConfig(Config):
    """Raw picture to picture."""

    in_resolution: int = Field(128, ge=4)
    """The raw picture is brought to this size first."""

    widths: tuple[int, int] = (256, 128)
    """Channels of the two blocks."""

    antialias: bool = True
    """Low-pass a raw picture that has to shrink."""

    noise: bool = False
    """Per-pixel noise in its layers."""

    raw_after_first_block: bool = False
    """The raw picture that is returned has the first block's added, if no size differs; some published models do so."""

    precision: Precision | None = None
    """In what its convolutions compute; null: as those of the generator."""

    clamp: float | None = Field(None, gt=0)
    """Limit of what its layers give, so that fp16 does not overflow."""


class ShiftConfig(Config):
    """Camera self-adaptation: a learned shift of the camera, from latent code and camera."""

    num_layers: int = Field(2, ge=1, le=64)
    """Layers of its mapping."""

    zero_init: bool = True
    """Start without any shift."""


class GeneratorConfig(Config):
    """A generator, slot by slot."""

    resolution: int = Field(512, ge=16)
    """Of the pictures, a power of two."""

    channels: int = Field(3, ge=1)
    """Of the pictures: 3 for colour."""

    mapping: MappingConfig = MappingConfig()
    field: TriGridConfig = TriGridConfig()
    renderer: MarcherConfig = MarcherConfig()
    superresolution: SuperResolutionConfig = SuperResolutionConfig()

    camera_radius: float = Field(2.7, gt=0)
    """From how far away the training pictures were taken; scripts aim their cameras by it."""

    camera_pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What the cameras of the training pictures look at; scripts aim theirs by it."""

    background: bool = True
    """A network of its own draws what is behind the head."""

    background_channel_base: int = Field(16384, ge=1)
    """Its layers of size R have background_channel_base / R channels, up to field.channel_max."""

    raw: Literal["styled", "features"] = "styled"
    """The raw picture is a styled 1 x 1 convolution of the features, or the first of them as they are."""

    shift: ShiftConfig | None = ShiftConfig()

    precision: Precision = "fp32"
    """In what convolutions compute. Styles, sums of pictures, sampling and compositing stay in fp32."""

    clamp: float | None = Field(None, gt=0)
    """Limit of what their layers give, so that fp16 does not overflow."""


class CriticConfig(Config):
    """A critic: one tower over what it is shown, or a second one for the mask."""

    inputs: tuple[Literal["image", "raw", "mask"], ...] = ("image", "raw", "mask")
    """What it is shown, in this order of channels; raw and mask are brought to the size of the image."""

    mask_tower: bool = False
    """The mask has a tower of its own, of the size of the raw picture, as in PanoHead's older form."""

    mask_tower_resolution: int = Field(128, ge=8)
    """Size of the mask in its own tower."""

    channel_base: int = Field(32768, ge=1)
    """Layers of size R have channel_base / R channels, ..."""

    channel_max: int = Field(512, ge=1)
    """... but no more than this."""

    group_size: int = Field(4, ge=1)
    """Pictures that are compared for variety."""

    num_half_precision: int = Field(4, ge=0, le=16)
    """So many of the largest resolutions compute in `precision`."""

    precision: Precision = "fp32"
    """In what they compute."""

    clamp: float | None = Field(256.0, gt=0)
    """Limit of what layers give."""
