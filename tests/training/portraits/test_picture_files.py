# SPDX-License-Identifier: Apache-2.0
"""Pictures on sheets, in files, and in folders that can be written."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.portraits import picture_files
from training.portraits.folders import results_folder
from training.portraits.picture_files import PictureFiles
from training.portraits.tiles import check_sheet, tiled


def grey(level: int, channels: int = 3) -> np.ndarray:
    return np.full((2, 3, channels), level, np.uint8)


def test_tiles_go_row_by_row_and_what_is_left_over_is_blank() -> None:
    sheet = tiled([grey(i) for i in range(3)], 2)
    assert sheet.shape == (4, 6, 3)
    assert (sheet[0, 0, 0], sheet[0, 5, 0], sheet[3, 0, 0], sheet[3, 5, 0]) == (0, 1, 2, 255)
    assert tiled([grey(1, 4)], 2)[0, 5].tolist() == [0, 0, 0, 0]


def test_a_sheet_that_no_viewer_opens_is_refused() -> None:
    check_sheet(32, 32, 512)
    with pytest.raises(ValueError, match="32 x 33 pictures"):
        check_sheet(32, 33, 512)


def test_all_pictures_are_there_at_the_end(tmp_path: Path) -> None:
    with PictureFiles(tmp_path) as files:
        for i in range(20):
            files.write(f"{i}.png", grey(i))
    for i in range(20):
        assert (np.asarray(Image.open(tmp_path / f"{i}.png")) == i).all()


def test_a_disk_that_fails_is_told_and_few_pictures_wait_for_a_slow_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = threading.Event()

    def write(*args, **options) -> None:
        opened.wait(10)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(picture_files, "atomic_write_bytes", write)
    written = []

    def bring() -> None:
        with PictureFiles(tmp_path) as files:
            for i in range(100):
                files.write(f"{i}.png", grey(0))
                written.append(i)
                if i == 7:
                    opened.set()

    with pytest.raises(OSError, match="No space left"):
        bring()
    assert len(written) == 8


def test_a_folder_is_made_and_one_that_cannot_be_is_told(tmp_path: Path) -> None:
    assert results_folder(tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match="choose another folder"):
            results_folder(path)
