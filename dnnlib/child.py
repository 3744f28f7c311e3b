# SPDX-License-Identifier: Apache-2.0
"""Another program, run to its end; if somebody asks to stop, it is asked in turn, and has time to save."""

import subprocess
import threading
from collections.abc import Sequence

_POLL_S = 0.2


def run_child(command: Sequence[str], asked_to_stop: threading.Event) -> int:
    """Its exit status. What it says goes where ours goes, its progress bars too."""
    # A session of its own: Ctrl-C is for us, and it is told once.
    process = subprocess.Popen(command, start_new_session=True)
    try:
        code, is_told = None, False
        while code is None:
            try:
                code = process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if asked_to_stop.is_set() and not is_told:
                    process.terminate()
                    is_told = True
        return code
    finally:
        process.kill()  # Does nothing to one that has ended; after a second Ctrl-C nobody waits.
