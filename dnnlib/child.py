# SPDX-License-Identifier: Apache-2.0
"""Another program, run to its end; if somebody asks to stop, it is asked in turn, and has time to save."""

import math
import subprocess
import threading
import time
from collections.abc import Sequence

_POLL_S = 0.2


def run_child(command: Sequence[str], asked_to_stop: threading.Event, limit_s: float = math.inf) -> int:
    """Its exit status. What it says goes where ours goes, its progress bars too. After `limit_s` it is asked, too."""
    end_s = time.monotonic() + limit_s
    # A session of its own: Ctrl-C is for us, and it is told once.
    process = subprocess.Popen(command, start_new_session=True)
    try:
        code, is_told = None, False
        while code is None:
            try:
                code = process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if (asked_to_stop.is_set() or time.monotonic() > end_s) and not is_told:
                    process.terminate()
                    is_told = True
        return code
    finally:
        process.kill()  # Does nothing to one that has ended; after a second Ctrl-C nobody waits.
