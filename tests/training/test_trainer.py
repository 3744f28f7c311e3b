# SPDX-License-Identifier: Apache-2.0
"""Steps and intervals of a run. Whole runs are in test_kills.py, test_stops.py and test_ranks.py."""

import itertools
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from configs import resolve
from dnnlib.config import ConfigError
from tests.training.runs import assert_same
from training import trainer as trainer_module
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.schedules import passed, step_values
from training.trainer import Trainer

CPU = torch.device("cpu")


def config_of(heads: tuple[str, str], *assignments: str) -> RunConfig:
    images, masks = heads
    return resolve("debug", [f"data.img_data={images}", f"data.seg_data={masks}", "data.workers=0", *assignments])


def test_a_part_that_does_not_divide_the_share_is_refused(heads: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loop\.part: 3 images .* a divisor of 8"):
        Trainer(config_of(heads, "loop.batch=8", "loop.part=3"), RunFolder(tmp_path), CPU)
    with pytest.raises(ConfigError, match=r"critic\.group_size: .* compares 4 images .* a divisor of 6"):
        Trainer(config_of(heads, "loop.batch=6", "critic.group_size=4"), RunFolder(tmp_path), CPU)


def test_the_augmentation_is_adjusted_by_the_image_count(heads: tuple[str, str], tmp_path: Path) -> None:
    adaptive = ("augment.mode=adaptive", "augment.interval_nimg=10", "augment.ramp_nimg=40")
    trainer = Trainer(config_of(heads, "loop.batch=4", "critic.group_size=2", *adaptive), RunFolder(tmp_path), CPU)
    loader = trainer.loader(0)
    observed = []
    for nimg in range(0, 24, 4):
        trainer.step(next(loader), nimg, step_values(trainer.config.schedule, 16, nimg))
        observed.append(int(trainer.state.augmentation.signs[1]))
    assert observed == [4, 8, 0, 4, 0, 4]  # Adjusted at 12 and at 20 images.


def test_an_interval_is_passed_once() -> None:
    assert [nimg for nimg in range(4, 41, 4) if passed(nimg - 4, nimg, 10)] == [12, 20, 32, 40]


@pytest.mark.usefixtures("few_pictures")
def test_a_snapshot_that_was_cut_short_is_looked_at_again_and_counted_once(
    heads: tuple[str, str], tmp_path: Path
) -> None:
    def run(folder: RunFolder, total_nimg: int) -> None:
        folder.path.mkdir(exist_ok=True)
        config = config_of(heads, "loop.snapshot_nimg=4", "loop.tick_nimg=4", f"loop.total_nimg={total_nimg}")
        Trainer(config, folder, CPU, metrics={"count": lambda G, nimg: float(nimg)}).run()

    def looks(folder: RunFolder) -> list[tuple[int, bool, bool]]:
        rows = [json.loads(line) for line in folder.stats.read_text().splitlines()]
        return [(row["nimg"], "health" in row, "metrics" in row) for row in rows if "stats" not in row]

    straight, killed = RunFolder(tmp_path / "straight"), RunFolder(tmp_path / "killed")
    run(straight, 8)
    run(killed, 4)
    lines = killed.stats.read_bytes().splitlines(keepends=True)
    for num_written in (1, 2):  # Of the three rows at 4 images: the tick, what the pictures say, the metric.
        killed.stats.write_bytes(b"".join(lines[: 1 + num_written]))
        run(killed, 4)
        assert looks(killed) == looks(straight)[: len(looks(killed))]
    (killed.path / "fakes000000.004.png").unlink()
    run(killed, 8)
    assert (
        looks(killed)
        == looks(straight)
        == [(0, True, False)] + [(nimg, *what) for nimg in (4, 8) for what in ((True, False), (False, True))]
    )
    assert (killed.path / "metric-count.jsonl").read_bytes() == (straight.path / "metric-count.jsonl").read_bytes()


@pytest.mark.usefixtures("few_pictures")
def test_a_run_whose_time_is_over_is_saved_and_shown_and_goes_on_exactly(
    heads: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = itertools.count()  # At the clock; each takes a second.
    monkeypatch.setattr(trainer_module, "time", SimpleNamespace(monotonic=lambda: next(looks)))
    limited, straight = RunFolder(tmp_path / "limited"), RunFolder(tmp_path / "straight")
    config = config_of(heads, "loop.tick_nimg=1000", "loop.snapshot_nimg=1000", "loop.total_nimg=12", "loop.batch=4")
    for folder in (limited, straight):
        folder.path.mkdir()
    assert Trainer(config, folder=limited, device=CPU, metrics={"count": lambda G, nimg: float(nimg)}).run(2.0) == 8
    assert limited.saves() == [8]
    assert (limited.path / "fakes000000.008.png").exists()
    assert json.loads((limited.path / "metric-count.jsonl").read_text())["nimg"] == 8
    assert [row["nimg"] for row in map(json.loads, limited.stats.read_text().splitlines()) if "stats" in row] == [8]
    assert Trainer(config, limited, CPU).run() == 12
    assert Trainer(config, straight, CPU).run() == 12
    limited.remove(8)
    ticks = {f: [r["stats"]["D/fake"]["num"] for r in map(json.loads, f.stats.read_text().splitlines()) if "stats" in r]
             for f in (limited, straight)}  # fmt: skip
    assert ticks == {limited: [8, 4], straight: [12]}
    straight.stats.write_bytes(limited.stats.read_bytes())  # All else is the same.
    assert_same(straight.path, limited.path)


def test_who_stops_a_run_in_the_step_that_ends_its_time_does_not_wait_for_pictures(
    heads: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = itertools.count()

    def second() -> int:
        """Each look at the clock takes one, and somebody stops the run while it looks for the third time."""
        if (now := next(looks)) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return now

    monkeypatch.setattr(trainer_module, "time", SimpleNamespace(monotonic=second))
    config = config_of(heads, "loop.tick_nimg=1000", "loop.snapshot_nimg=1000", "loop.total_nimg=12", "loop.batch=4")
    assert Trainer(config, RunFolder(tmp_path), CPU).run(2.0) == 8
    assert not (tmp_path / "fakes000000.008.png").exists()
    assert RunFolder(tmp_path).saves() == [8]
