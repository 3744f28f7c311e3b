# SPDX-License-Identifier: Apache-2.0
"""What a set of procedural heads is made by: every knob in one frozen value, which dataset.json records.

Item i of a set is a pure function of these settings and of i. How many items are made, and by how many workers, is no
setting, so a longer set begins with the shorter one. Lengths are in world units: a picture taken from the usual place
shows 0.633 of them from edge to edge, and a head is about 0.4 high.
"""

from typing import Annotated, Literal

from pydantic import Field

from dnnlib.config import BY_KIND, Config

GENERATOR = "fullhead procedural heads"
# Goes up with every change that changes a picture, so that sets can be told apart.
GENERATOR_VERSION = 1

Resolution = Literal[32, 64, 128, 256, 512, 1024]
Smile = Literal["varied", "always", "never", "front"]


class Uniform(Config):
    """Every azimuth is equally likely."""

    kind: Literal["uniform"] = "uniform"


class FrontHeavy(Config):
    """Azimuths as in FFHQ, a normal distribution around the front, and a stated share of back views."""

    kind: Literal["front-heavy"] = "front-heavy"

    azimuth_std_deg: float = Field(17.0, ge=0, le=25)
    """Standard deviation of the azimuth of front views; FFHQ has 17."""

    back_share: float = Field(0.1, ge=0, le=1)
    """Share of items seen from behind, evenly from one profile to the other."""


class SyntheticSettings(Config):
    """Everything that decides what item i shows."""

    generator: Literal["fullhead procedural heads"] = GENERATOR
    version: Literal[1] = GENERATOR_VERSION
    """Version of the generator; see GENERATOR_VERSION."""

    seed: int = Field(0, ge=0, lt=2**63)
    """Every random number follows from it."""

    resolution: Resolution = 64
    """Width and height of a picture, in pixels."""

    views_per_identity: int = Field(1, ge=1)
    """So many items in a row show one identity."""

    num_identities: int | None = Field(None, ge=1)
    """After so many identities the first one returns, seen from elsewhere; null is never."""

    first_identity: int = Field(0, ge=0, lt=2**62)
    """The identity of item 0; the others follow."""

    cameras: Annotated[Uniform | FrontHeavy, BY_KIND] = Uniform()
    """From which side the heads are seen."""

    elevation_std_deg: float = Field(12.0, ge=0, le=30)
    """Standard deviation of the elevation, which is normal around level."""

    drift: float = Field(0.0, ge=0, le=0.2)
    """Label noise of back views: the true camera is up to so far, in world units, from where the label says."""

    jitter: float = Field(0.0, ge=0, le=0.2)
    """Crop jitter of all views: the crop is shifted by up to this share of its width, and scaled by up to 1 + this."""

    smile: Smile = "varied"
    """Who smiles: each identity more or less, everybody, nobody, or whoever is seen from the front, only there."""

    background: bool = True
    """A background independent of the head; without it, one sheet of pale grey paper."""

    depth: bool = True
    """Whether the truth holds a depth map of every item."""


def identity_index(settings: SyntheticSettings, index: int) -> int:
    """Which identity item `index` shows."""
    turn = index // settings.views_per_identity
    return settings.first_identity + (turn if settings.num_identities is None else turn % settings.num_identities)
