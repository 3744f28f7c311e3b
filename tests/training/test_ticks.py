# SPDX-License-Identifier: Apache-2.0
"""A tick says what happened since the last one, in a line and in a row."""

import json
import logging
from pathlib import Path

import pytest
import torch

from torch_utils.stats import Collector
from training.data.loader import Loader
from training.run_folder import RunFolder
from training.ticks import Ticks
from training.watch.memory import memory_gib

CPU = torch.device("cpu")


class Clock:
    """A time that passes only when told to."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def test_a_line_has_speed_memory_losses_and_scores_and_a_resumed_run_counts_its_own_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    monkeypatch.setattr("training.ticks.time", clock)
    monkeypatch.setattr("training.ticks.memory_gib", lambda device: 2.5)
    stats = Collector(CPU)
    monkeypatch.setattr(Loader, "wait_share", lambda loader: 0.25)
    loader = object.__new__(Loader)
    ticks = Ticks(RunFolder(tmp_path), stats, loader, CPU, start_nimg=10_000, elapsed_s=3600.0)
    for name, value in (("G/adversarial", 0.7), ("scores/real", 1.25), ("D/gradient_norm", 3.0)):
        stats.report(name, value)
    clock.now_s += 100
    with caplog.at_level(logging.INFO):
        row = ticks.report(12_000, {"augment_p": 0.125})
    assert caplog.messages == ["12 kimg, 1h2m, 20 img/s, data wait 25 %, 2.5 GiB, p 0.125, G 0.7, real 1.25, |gD| 3"]
    assert json.loads((tmp_path / "stats.jsonl").read_text()) == row
    assert row["images_per_s"] == 20
    assert row["elapsed_s"] == 3700


def test_a_process_takes_some_memory() -> None:
    taken = memory_gib(CPU)
    assert taken is None or 0.05 < taken < 100
