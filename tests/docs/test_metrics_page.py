# SPDX-License-Identifier: Apache-2.0
"""The page on metrics says what the code does, and its Python runs."""

import re
import shlex
from pathlib import Path

import pytest
import torch

import calc_metrics
from metrics.detectors.files import FileDetector
from metrics.detectors.options import parse_detector
from metrics.names import KINDS, NEVER, parse, parse_list
from metrics.pictures import MODES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    inline = re.findall(r"`python (calc_metrics\.py [^`]*)`", PAGE)
    found = [line.partition("python ")[2] for line in lines if line.startswith("python calc_metrics.py")] + inline
    return [shlex.split(line)[1:] for line in found]


def test_every_command_is_understood() -> None:
    assert len(commands()) >= 4
    for command in commands():
        params = calc_metrics.main.make_context("calc_metrics.py", list(command)).params
        assert parse_list(params["names"])
        assert all(parse_detector(text) for text in params["detectors"])


def test_the_table_of_kinds_is_the_one_in_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (lower|higher|neither) \|", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == list(KINDS)
    for name, says, detector, better in rows:
        kind = KINDS[name]
        expected = "none" if kind.needs == "nothing" else f"`{kind.detector}`" if kind.detector else "to be named"
        assert (says, detector) == (kind.says, expected)
        assert better == {True: "lower", False: "higher", None: "neither"}[kind.lower_is_better]


def test_names_modes_and_links_of_the_page_exist() -> None:
    for name in re.findall(r"`((?:fd|kd|fid|kid|pr|is|depth|id)\d\w*)`", PAGE):
        assert parse(name)
    assert all(f"`{name}`" in PAGE for name in NEVER)
    assert re.findall(r"^\| `(\w+)` \| (?:of all|up to|from)", PAGE, re.MULTILINE) == list(MODES)
    for target, anchor in re.findall(r"\]\(([\w.-]*)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / target).read_text(encoding="utf-8") if target else PAGE
        headings = [
            re.sub(r"[^\w-]", "", line.lower().replace(" ", "-")) for line in re.findall(r"^#+ (.*)$", text, re.M)
        ]
        assert not anchor or anchor in headings, anchor


def test_the_python_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "metrics.md", "exec"), names)
    assert "mask_iou=tensor([1.])" in capsys.readouterr().out
    own = FileDetector(parse_detector("own=own.pt#size=64"), torch.device("cpu"))
    assert own.features(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape == (1, 256)
