# SPDX-License-Identifier: Apache-2.0
"""Numbers that show early how a run will end, and the ranges that they should stay in.

An *alarm* is one way for one number to leave its range. It sounds once when the number leaves, and may sound again only
after the number was back. Early images are not judged: most numbers need some time to mean anything.
"""

import math
from typing import NamedTuple, final

from training.watch.alarms import ALARMS, Alarm
from training.watch.divergence import LOSSES
from training.watch.history import numbers
from training.watch.rows import Row

_NORMAL_OVER_NIMG = 100_000.0  # What a gradient norm is compared with: its usual value over so many images.


class Judged(NamedTuple):
    """An alarm and the value it looks at, if there is one yet."""

    alarm: Alarm
    value: float | None
    sounds: bool


@final
class Health:
    """Follows a run row by row. `patience` scales how long it waits before it judges."""

    def __init__(self, *, has_background: bool, patience: float = 1.0) -> None:
        self.patience = patience
        # Without a background of its own, a volume has to fill the picture.
        self.alarms = [a for a in ALARMS if has_background or a.value != "health/opacity" or a.above is None]
        self._values: dict[Alarm, float] = {}
        self._sounding: set[Alarm] = set()
        self._usual: dict[str, float] = {}  # Logarithms of gradient norms.
        self._last_nimg: dict[Alarm | str, int] = {}

    def take(self, row: Row) -> list[Alarm]:
        """The alarms that begin to sound with this row."""
        nimg = row["nimg"]
        values = watched(row) | self._growth(row)
        begun = []
        for alarm in self.alarms:
            if alarm.value not in values or nimg < self.patience * alarm.after_nimg:
                continue
            value = self._smoothed(alarm, nimg, values[alarm.value])
            if not alarm.is_outside(value):
                self._sounding.discard(alarm)
            elif alarm not in self._sounding:
                self._sounding.add(alarm)
                begun.append(alarm)
        return begun

    def judged(self) -> list[Judged]:
        """Every alarm as things stand."""
        return [Judged(alarm, self._values.get(alarm), alarm in self._sounding) for alarm in self.alarms]

    def _smoothed(self, alarm: Alarm, nimg: int, value: float) -> float:
        keep = self._keep(alarm, nimg, self.patience * alarm.over_nimg)
        self._values[alarm] = keep * self._values.get(alarm, value) + (1 - keep) * value
        return self._values[alarm]

    def _growth(self, row: Row) -> dict[str, float]:
        """Gradient norms as multiples of what they usually are."""
        grown = {}
        for name, value in numbers(row):
            if name.endswith("/gradient_norm") and value > 0:
                usual = self._usual.get(name, math.log(value))
                grown[f"{name.split('/')[0]}/gradient_growth"] = math.exp(min(math.log(value) - usual, 700))
                keep = self._keep(name, row["nimg"], _NORMAL_OVER_NIMG)
                self._usual[name] = keep * usual + (1 - keep) * math.log(value)
        return grown

    def _keep(self, what: Alarm | str, nimg: int, over_nimg: float) -> float:
        """What a running mean keeps of itself."""
        images = nimg - self._last_nimg.get(what, 0)
        self._last_nimg[what] = nimg
        return math.exp(-images / over_nimg) if over_nimg > 0 else 0.0


def watched(row: Row) -> dict[str, float]:
    """The numbers of a row, and those that are made of them."""
    values = dict(numbers(row))
    statistics = row.get("stats", {})
    if "G/shift" in values:
        values["camera_shift"] = math.sqrt(max(values["G/shift"], 0))
    if "scores/real" in values and "scores/fake" in values:
        values["score_gap"] = values["scores/real"] - values["scores/fake"]
    if statistics:
        count = sum(statistics.get(name, {}).get("num_nonfinite", 0) for name in LOSSES)
        values["nonfinite_losses"] = float(count)
    return values
