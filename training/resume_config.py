# SPDX-License-Identifier: Apache-2.0
"""What a new run starts from, if not from nothing."""

from pydantic import Field

from dnnlib.config import Config


class ResumeConfig(Config):
    """Weights of another run. A run that was stopped needs none of this: it goes on from its own saves."""

    source: str | None = Field(None, examples=["network.safetensors"])
    """File, run folder, URL or shipped name to take weights from; null: fresh ones."""

    start_nimg: int = Field(0, ge=0)
    """The image count that the run begins with. Schedules and intervals follow it."""

    keep_ramps: bool = False
    """Whether blur and swapping begin anew, as in a fresh run. Else they are at their ends from the start."""
