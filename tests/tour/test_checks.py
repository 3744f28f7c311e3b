# SPDX-License-Identifier: Apache-2.0
"""The checks pass where everything works, and say what does not where something is broken."""

from pathlib import Path

import pytest

from tour import checks


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "NUM_HEADS", 1)


def test_every_check_passes_also_without_native_operators(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FULLHEAD_OPS", "reference")
    found = checks.run_checks(tmp_path / "checks")
    assert [each.name for each in found] == list(checks.CHECKS)
    assert all(each.holds for each in found)
    sheet = tmp_path / "checks" / "heads-sheet.png"
    assert str(sheet) in found[-1].line
    assert sheet.is_file()


def test_a_check_that_fails_is_named_and_the_others_are_still_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FULLHEAD_OPS", "nonsense")
    monkeypatch.setattr(checks, "HEAD_RADIUS", 3.0)
    found = {each.name: each for each in checks.run_checks(tmp_path)}
    assert not found["operators"].holds
    assert not found["heads"].holds
    assert "FULLHEAD_OPS" in found["heads"].line
    assert found["configurations"].holds
    assert (found["cameras"].holds, found["cameras"].line) == (False, "the orbit leaves its sphere")
