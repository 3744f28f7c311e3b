# SPDX-License-Identifier: Apache-2.0
"""Another program is run to its end, and asked to stop where we are."""

import sys
import threading
import time
from pathlib import Path

from dnnlib.child import run_child

SAVING = """
import pathlib, signal, sys, time
def save(*_):
    pathlib.Path(sys.argv[1]).write_text("saved")
    sys.exit(7)
signal.signal(signal.SIGTERM, save)
pathlib.Path(sys.argv[1]).write_text("begun")
time.sleep(60)
"""


def test_the_status_comes_back() -> None:
    for status in (0, 3):
        assert run_child([sys.executable, "-c", f"raise SystemExit({status})"], threading.Event()) == status


def test_who_is_asked_to_stop_may_save_first(tmp_path: Path) -> None:
    asked, file = threading.Event(), tmp_path / "file"

    def ask() -> None:
        while not file.exists() or file.read_text() != "begun":
            time.sleep(0.01)
        asked.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    assert run_child([sys.executable, "-c", SAVING, str(file)], asked) == 7
    thread.join()
    assert file.read_text() == "saved"
