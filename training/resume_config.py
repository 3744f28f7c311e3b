# SPDX-License-Identifier: Apache-2.0
"""Where a run takes its first weights from, if not from chance."""

from pydantic import Field

from dnnlib.config import Config


class ResumeConfig(Config):
    """A new run that begins with trained weights. A run that goes on takes its own saves, whatever stands here."""

    source: str | None = Field(None, examples=["runs/00003-panohead"])
    """A .safetensors or .pkl file, a run's folder, a URL or the name of a shipped model; null: fresh weights."""

    start_nimg: int = Field(0, ge=0)
    """The image count that the run begins with; schedules are as far as it says."""

    keep_ramps: bool = False
    """Whether blur, swapping, the average and augmentation have their ramps all the same, as for fresh weights."""
