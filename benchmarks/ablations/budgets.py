# SPDX-License-Identifier: Apache-2.0
"""How much is spent: on training, and on measuring. What decides a result is one value, so that it can be told.

Times are those of docs/results.md; all of them are mostly training.
"""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Budget:
    """An ablation but for its seeds, of which there may be more later on."""

    cfg: str  # The preset that is PanoHead's.
    kimg: float  # Thousands of images that every run is trained with.
    images: int  # In the data set.
    pictures: int  # That a distance is measured by.
    heads: int  # That geometry is measured by.
    inverted: int  # Held-out heads that are inverted, and drifted views whose cameras are sought.
    search_steps: int  # Of both.
    drift: float = 0.05  # Of the labels of back views, in world units; a picture is 0.633 wide.
    back_share: float = 0.2  # Of the images; the others are seen from the front, as in FFHQ.
    timing_rounds: int = 7

    @property
    def nimg(self) -> int:
        return max(1, round(self.kimg * 1000))

    def facts(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


BUDGETS: dict[str, Budget] = {
    "minutes": Budget("panohead_small", 1, images=1000, pictures=200, heads=32, inverted=4, search_steps=60),
    "hours": Budget("panohead_small", 10, images=4000, pictures=1000, heads=128, inverted=8, search_steps=200),
    "days": Budget("panohead_small_128", 2000, images=20_000, pictures=5000, heads=500, inverted=32, search_steps=400),
}
SEEDS = {"minutes": 2, "hours": 2, "days": 3}
