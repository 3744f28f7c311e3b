# SPDX-License-Identifier: Apache-2.0
"""How rates and noise of the search change, and when nothing is gained any more. `progress` is 0 at the first step, 1
after the last one.
"""

import math
from collections.abc import Sequence

_WARM_UP = 0.05
COOL_DOWN = 0.75  # From here on the rate falls, and the styles have no noise any more.
_NOISE = 0.05  # In standard deviations of the styles.


def rate(progress: float) -> float:
    """Of the full learning rate: up in a straight line, constant, down along a cosine."""
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / (1 - COOL_DOWN)))
    return down * min(1.0, progress / _WARM_UP)


def noise(progress: float) -> float:
    """Standard deviation of what is added to the styles, so that the search is not caught by the nearest hollow."""
    return _NOISE * max(0.0, 1 - progress / COOL_DOWN) ** 2


def is_flat(losses: Sequence[float], window: int = 50, least_gain: float = 0.01) -> bool:
    """Whether the last `window` losses are, in the mean, not even `least_gain` below those before."""
    if len(losses) < 2 * window:
        return False
    before, last = (sum(part) / window for part in (losses[-2 * window : -window], losses[-window:]))
    return last > (1 - least_gain) * before
