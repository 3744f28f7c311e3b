# SPDX-License-Identifier: Apache-2.0
import html
import re
import shlex
from pathlib import Path

import pytest

from configs import find
from training.watch.history import History
from training.watch.page import Facts, page


def test_the_command_that_goes_on_can_be_pasted_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my <b>heads & 'others'"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    text = page(Path(folder.name), Facts(find("debug"), None, {}, History(), []))
    assert "<b>heads" not in text
    command = html.unescape(re.search("<pre>(python train.py .*?)</pre>", text)[1])
    assert shlex.split(command) == ["python", "train.py", f"--run={folder}"]
