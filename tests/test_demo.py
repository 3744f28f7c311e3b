# SPDX-License-Identifier: Apache-2.0
"""The demonstration passes where everything works, and says what does not where something is broken."""

from pathlib import Path

import pytest

import demo


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "FOLDER", tmp_path / "demo")
    monkeypatch.setattr(demo, "NUM_HEADS", 1)


def test_every_part_passes_also_without_native_operators(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("FULLHEAD_OPS", "reference")
    assert demo.main() == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith(("ok", "FAILED"))]
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in demo.CHECKS]
    sheet = tmp_path / "demo" / "heads-sheet.png"
    assert str(sheet) in lines[-1]
    assert sheet.is_file()


def test_a_part_that_fails_is_named_and_the_others_are_still_checked(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("FULLHEAD_OPS", "nonsense")
    monkeypatch.setattr(demo, "HEAD_RADIUS", 3.0)
    assert demo.main() == 1
    out = capfd.readouterr().out
    assert "FAILED operators" in out
    assert "FAILED heads" in out
    assert "FULLHEAD_OPS" in out[out.index("FAILED heads") :]
    assert "ok     configurations" in out
    assert "FAILED cameras         the orbit leaves its sphere" in out
