# SPDX-License-Identifier: Apache-2.0
"""Every row is there once, whatever a run went through."""

import os
from pathlib import Path

import pytest

from training.watch import rows


def counts(path: Path) -> list[int]:
    return [row["nimg"] for row in rows.read(path)]


def test_rows_after_a_save_are_cut_off_and_come_again(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    for nimg in (0, 16, 32, 32, 48, 64):
        rows.append(path, {"nimg": nimg, "a": {"b": 1.5}})
    rows.cut(path, 32)
    rows.append(path, {"nimg": 48})
    assert counts(path) == [0, 16, 32, 32, 48]
    rows.cut(path, 1000)
    assert counts(path) == [0, 16, 32, 32, 48]
    rows.cut(tmp_path / "none.jsonl", 0)
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize("torn", [b'{"nimg": 48, "st', b'{"nimg": 48}', b"\0\0\0\0", b'{"other": 1}\n', b"7\n"])
def test_half_a_row_is_no_row(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "stats.jsonl"
    rows.append(path, {"nimg": 16})
    path.write_bytes(path.read_bytes() + torn)
    assert counts(path) == [16]
    rows.cut(path, 64)
    rows.append(path, {"nimg": 32})
    assert counts(path) == [16, 32]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here is always full")
def test_a_full_disk_costs_a_row_and_no_run(caplog: pytest.LogCaptureFixture) -> None:
    rows.append(Path("/dev/full"), {"nimg": 16})
    assert "No space left" in caplog.text
