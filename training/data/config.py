# SPDX-License-Identifier: Apache-2.0
"""Which data a run sees, which share of it, and how it is loaded."""

from typing import Literal

from pydantic import Field

from dnnlib.config import Config


class SelectionConfig(Config):
    """Which images are drawn, and how often, by the azimuth and elevation of their cameras."""

    min_yaw_deg: float = Field(0.0, ge=0, le=180)
    """Images with a smaller absolute azimuth are left out; 0 is the front, 180 the back."""

    max_yaw_deg: float = Field(180.0, ge=0, le=180)
    """Images with a larger absolute azimuth are left out."""

    max_pitch_deg: float = Field(90.0, ge=0, le=90)
    """Images with a larger absolute elevation are left out."""

    back_repeat: float = Field(1.0, gt=0, le=1000)
    """How many times as often an image from behind (absolute azimuth of 90 and more) is drawn."""

    max_size: int | None = Field(None, ge=1)
    """At most so many of the images, drawn by the seed of the run."""


class DataConfig(Config):
    """The data set and the way to it."""

    img_data: str | None = Field(None, examples=["heads_img.zip"])
    """Folder or zip archive of images with dataset.json."""

    seg_data: str | None = Field(None, examples=["heads_seg.zip"])
    """Folder or zip archive of masks; without it the transparency of the images is the mask."""

    use_labels: bool = True
    """Whether images have cameras; what is trained needs them."""

    require_masks: bool = True
    """Whether a set without masks is a mistake. Systems without a background have no use for masks."""

    mirror: bool = False
    """Whether every image is shown mirrored too, with its mask and its camera."""

    selection: SelectionConfig = SelectionConfig()

    damaged: Literal["error", "skip"] = "error"
    """What a damaged item does: end the run, or be counted, reported and replaced by another one."""

    workers: int = Field(2, ge=0, le=256)
    """Processes per rank that load data; with 0 the training process does it itself."""

    prefetch: int = Field(4, ge=1, le=1000)
    """Batches that every worker keeps ready."""
