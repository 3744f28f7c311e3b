# SPDX-License-Identifier: Apache-2.0
"""What decides the course of an inversion."""

import dataclasses
import math
from typing import Literal, get_args

# z: the code that styles are mapped from, the narrowest. w: one style for all layers. w+: a style for every layer,
# which meets a picture best and leaves the heads that the generator knows soonest.
Space = Literal["z", "w", "w+"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """The defaults are published schedules, where there are any.

    In w a search finds heads that look right from all sides, and cameras; what it leaves, tuning does.
    """

    space: Space = "w"
    num_steps: int = 500  # Of the search.
    num_tuning_steps: int = 350
    seed: int = 303
    refine_camera: bool = False
    keep: float = 1.0  # Weight of keeping unseen views, while tuning, where the untuned generator has them.
    views_per_step: int = 4  # Of more targets each step takes some, in turn.
    search_rate: float = 0.1
    camera_rate: float = 0.01  # Radians, and world units.
    tuning_rate: float = 3e-4
    pull: float = 0.1  # Weight of the squared distance from the mean styles.

    def __post_init__(self) -> None:
        if self.space not in get_args(Space):
            raise ValueError(f"Styles are sought in z, w or w+, not in {self.space!r}.")
        if min(self.num_steps, self.num_tuning_steps) < 0:
            raise ValueError("A number of steps is 0 or more; 0 leaves that stage out.")
        if not all(0 <= weight < math.inf for weight in (self.keep, self.pull)):
            raise ValueError("The weights `keep` and `pull` are numbers from 0 on; 0 switches off.")
        if self.views_per_step < 1:
            raise ValueError("Every step needs at least one view.")
