# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from training.run_folder import RunFolder, superseded


def save(folder: RunFolder, nimg: int) -> None:
    folder.networks(nimg).write_bytes(b"networks")
    folder.state(nimg).write_bytes(b"state")


def test_runs_are_numbered_upwards(tmp_path: Path) -> None:
    (tmp_path / "00007-older").mkdir()
    (tmp_path / "notes").mkdir()
    assert RunFolder.new_numbered(tmp_path, "heads").path.name == "00008-heads"
    assert RunFolder.new_numbered(tmp_path, "heads").path.name == "00009-heads"
    assert RunFolder.new_numbered(tmp_path / "new", "heads").path.name == "00000-heads"

    with pytest.raises(ValueError, match="without slashes"):
        RunFolder.new_numbered(tmp_path / "none", "heads/../other")
    assert not (tmp_path / "none").exists()


def test_a_save_is_two_files_and_the_newest_comes_first(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert RunFolder(tmp_path / "absent").saves() == []
    save(folder, 64)
    save(folder, 1000)
    folder.networks(2000).write_bytes(b"networks")  # Cut short before its state.
    assert folder.saves() == [1000, 64]


def test_a_save_that_is_set_aside_is_neither_found_nor_lost(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    save(folder, 64)
    folder.set_aside(64, "truncated")
    assert folder.saves() == []
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "networks-0000000064.safetensors.damaged",
        "state-0000000064.safetensors.damaged",
    ]


@pytest.mark.parametrize(
    ("keep_last", "keep_every", "gone"),
    [
        (1, None, [100, 200, 300, 400]),
        (2, None, [100, 200, 300]),
        (9, None, []),
        (1, 200, [300]),  # The first of every 200 stay: 100, 200, 400; and the last.
    ],
)
def test_the_last_and_the_first_of_every_so_many_stay(keep_last: int, keep_every: int | None, gone: list[int]) -> None:
    assert superseded([300, 100, 500, 200, 400], keep_last, keep_every) == gone


def test_pruning_removes_whole_saves(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for nimg in (100, 200, 300):
        save(folder, nimg)
    assert folder.prune(1, None) == [100, 200]
    assert folder.saves() == [300]
    assert len(list(tmp_path.iterdir())) == 2
