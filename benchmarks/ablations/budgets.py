# SPDX-License-Identifier: Apache-2.0
"""How much is spent: on training, and on measuring. What decides a result is one value, so that it can be told.

Times are those of docs/results.md.
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
    inverted: int  # Held-out heads that are inverted.
    drifted: int  # Views with wrong labels whose cameras are sought; each gives two numbers, across the view.
    search_steps: int  # Of both.
    curve_pictures: int  # That the distance is measured by at every save of a training.
    drift: float = 0.05  # Of the labels of back views, in world units; a picture is 0.633 wide.
    back_share: float = 0.2  # Of the images; the others are seen from the front, as in FFHQ.
    timing_rounds: int = 7

    @property
    def nimg(self) -> int:
        return max(1, round(self.kimg * 1000))

    @property
    def curve_metric(self) -> str:
        return f"fd{self.curve_pictures}_thumbs"

    def facts(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


# Of 32 numbers, which 16 views give, one correlation in a hundred exceeds 0.45 by chance. 60 steps of 16 views take a
# core a minute and a half, and as long again for the variant whose shift is sought as well.
BUDGETS: dict[str, Budget] = {
    "minutes": Budget(
        "panohead_small",
        1,
        images=1000,
        pictures=200,
        heads=32,
        inverted=4,
        drifted=16,
        search_steps=60,
        curve_pictures=32,
    ),
    "hours": Budget(
        "panohead_small",
        10,
        images=4000,
        pictures=1000,
        heads=128,
        inverted=8,
        drifted=16,
        search_steps=200,
        curve_pictures=100,
    ),
    "days": Budget(
        "panohead_small_128",
        2000,
        images=20_000,
        pictures=5000,
        heads=500,
        inverted=32,
        drifted=32,
        search_steps=400,
        curve_pictures=1000,
    ),
}
SEEDS = {"minutes": 2, "hours": 2, "days": 3}
