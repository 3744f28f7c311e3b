# SPDX-License-Identifier: Apache-2.0
"""Whether all ranks stop after the same step, decided without waiting for the device in every step.

A signal reaches the ranks at different moments, and a rank that stopped one step before the others would leave them
waiting. So they ask each other after the same steps: about once a second, by what the steps take.
"""

import time
from typing import final

from torch_utils import distributed

INTERVAL_S = 1.0


@final
class StopAgreement:
    """Asked once after every step, with the same number of steps on every rank."""

    def __init__(self) -> None:
        self._steps_left = self._steps = 1
        self._since_s = time.monotonic()

    def __call__(self, asked: bool) -> bool:
        """Whether to stop now, `asked` being this rank's own wish."""
        if distributed.world_size() == 1:
            return asked
        self._steps_left -= 1
        if self._steps_left > 0:
            return False
        now_s = time.monotonic()
        told = distributed.gather_json([asked, (now_s - self._since_s) / self._steps])
        step_s = max(seconds for _, seconds in told)
        self._steps_left = self._steps = max(int(INTERVAL_S / max(step_s, 1e-6)), 1)
        self._since_s = now_s
        return any(wish for wish, _ in told)
