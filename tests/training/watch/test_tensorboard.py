# SPDX-License-Identifier: Apache-2.0
"""TensorBoard gets all numbers, where it is installed; where not, nobody is bothered."""

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from training.watch.tensorboard import TensorBoard

ROW = {"nimg": 64, "images_per_s": 5.0, "memory_gib": None, "stats": {"G/loss": {"num": 1, "mean": 0.5, "std": 0.0}}}
PICTURE = np.zeros((4, 6, 3), dtype=np.uint8)


class Recorder:
    """Takes down what is written."""

    def __init__(self, folder: str, purge_step: int | None) -> None:
        self.folder, self.purge_step = folder, purge_step
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: self.calls.append((name, *arguments))


def recorded(monkeypatch: pytest.MonkeyPatch, start_nimg: int) -> TensorBoard:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Recorder
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return TensorBoard(Path("run"), '{"seed": 0}', start_nimg=start_nimg)


def test_numbers_pictures_and_the_configuration_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    tensorboard = recorded(monkeypatch, 0)
    tensorboard.row(ROW)
    tensorboard.picture("fakes/image", PICTURE, 64)
    tensorboard.close()
    calls = tensorboard._writer.calls
    assert ("add_scalar", "run/images_per_s", 5.0, 64) in calls
    assert ("add_scalar", "G/loss", 0.5, 64) in calls
    assert [call[1] for call in calls if call[0] in ("add_text", "add_image")] == ["config", "fakes/image"]
    assert calls[-1] == ("close",)
    assert tensorboard._writer.purge_step is None


def test_what_is_trained_again_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recorded(monkeypatch, 128)._writer.purge_step == 129


def test_without_the_package_one_line_is_said_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with caplog.at_level(logging.INFO):
        tensorboard = TensorBoard(tmp_path, "{}", start_nimg=0)
        tensorboard.row(ROW)
        tensorboard.picture("fakes/image", PICTURE, 64)
        tensorboard.close()
    assert len(caplog.messages) == 1
    assert "pip install tensorboard" in caplog.messages[0]
    assert list(tmp_path.iterdir()) == []


def test_the_real_package_reads_it_back(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="not installed")
    tensorboard = TensorBoard(tmp_path, "{}", start_nimg=0)
    tensorboard.row(ROW)
    tensorboard.picture("fakes/image", PICTURE, 64)
    tensorboard.close()
    events = reading.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("G/loss")] == [(64, 0.5)]
    assert events.Images("fakes/image")[0].width == 6
