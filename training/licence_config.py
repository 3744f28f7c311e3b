# SPDX-License-Identifier: Apache-2.0
"""What others may do with a run's networks. Written into each of its files."""

from pydantic import Field

from dnnlib.config import Config


class LicenceConfig(Config):
    """Names of licences, as SPDX writes them. They change nothing about the run."""

    weights: str | None = Field(None, examples=["CC-BY-4.0"])
    """Of the networks that come of the run; null: nobody has said."""

    data: str | None = Field(None, examples=["CC0-1.0"])
    """Of the images; null: nobody has said."""
