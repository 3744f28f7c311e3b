# SPDX-License-Identifier: Apache-2.0
"""A watched run is the same run, and leaves behind what one wants to see."""

import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from configs import find
from tests.training.watch.runs import CPU, config_of
from training.generator import Generator
from training.run_folder import RunFolder
from training.trainer import Trainer
from training.watch import rows, watch


@pytest.fixture(scope="module")
def run_folder(heads: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run that was stopped after 16 of its 24 images."""
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    for total in (16, 24):
        config = config_of(
            heads, f"loop.total_nimg={total}", "loop.tick_nimg=8", "loop.snapshot_nimg=8", "loop.batch=8"
        )
        metrics = {"weights": lambda G, nimg: float(nimg), "none": lambda G, nimg: float("nan")}
        Trainer(config, folder, CPU, metrics=metrics, preset=find("debug")).run()
    return folder.path


class _Blind:
    """Does nothing of what the main rank does."""

    lacks_look = False

    def __init__(self, *arguments: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


def test_a_run_is_bit_by_bit_the_same_unseen(
    heads: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(heads, "loop.total_nimg=8", "loop.snapshot_nimg=4")
    ends = []
    for eyes in (watch._Main, _Blind):
        monkeypatch.setattr("training.watch.watch._Main", eyes)
        folder = tmp_path / eyes.__name__
        folder.mkdir()
        torch.manual_seed(0)
        trainer = Trainer(config, RunFolder(folder), CPU)
        trainer.run()
        assert (folder / "report.html").exists() == (eyes is not _Blind)
        players = trainer.state.players
        networks = (players.generator, players.critic, players.average)
        ends.append([torch.get_rng_state(), *(x.clone() for n in networks for x in n.state_dict().values())])
    assert all(torch.equal(seen, unseen) for seen, unseen in zip(*ends, strict=True))


def test_pictures_of_all_kinds_are_there_from_the_beginning_on(run_folder: Path) -> None:
    made = {path.name for path in run_folder.glob("*.png")}
    kinds = ("", "_raw", "_depth", "_mask")
    expected = {f"fakes000000{nimg}{kind}.png" for nimg in ("", ".008", ".016", ".024") for kind in kinds}
    assert made == expected | {"reals.png", "reals_masks.png"}


def test_every_tick_is_there_once_and_carries_health_and_metrics(run_folder: Path) -> None:
    found = list(rows.read(run_folder / "stats.jsonl"))
    assert [row["nimg"] for row in found if "stats" in row] == [8, 16, 24]
    assert [row["nimg"] for row in found if "health" in row] == [0, 8, 16, 24]
    assert [row["metrics"]["weights"] for row in found if "weights" in row.get("metrics", {})] == [8, 16, 24]
    tick = next(row for row in found if "stats" in row)
    assert tick["images_per_s"] > 0
    assert tick["stats"]["G/nonfinite_gradients"]["mean"] == 0
    metric = [json.loads(line) for line in (run_folder / "metric-weights.jsonl").read_text().splitlines()]
    assert metric[-1] == {"nimg": 24, "metric": "weights", "value": 24.0}
    assert json.loads((run_folder / "metric-none.jsonl").read_text().splitlines()[0])["value"] is None


class _Page(HTMLParser):
    """Counts elements, and collects what would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_shows_curves_over_both_sessions(run_folder: Path) -> None:
    text = (run_folder / "report.html").read_text()
    page = _Page(text)
    assert page.open == []
    assert page.loaded
    assert all(value.startswith("data:image/jpeg;base64,") for value in page.loaded)
    assert not re.search(r"@import|url\(|<script|<link|https?://", text)
    assert page.counts["img"] == 2 + 3 + 4
    assert page.counts["svg"] > 10
    assert "Nothing is out of its range." in text
    assert "loop.batch" in text
    scores = re.search(r'aria-label="Scores".*?</svg>', text)[0]
    assert len(re.search(r'class="line-0" d="([^"]*)"', scores)[1].split("L")) == 3
    assert str(find("debug").loop.batch) in text


def test_writing_waits_for_no_disk_and_a_broken_one_is_told_of(
    heads: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, picture: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.watch.album.write_picture", full)
    trainer = Trainer(config_of(heads), RunFolder(tmp_path), CPU)
    assert trainer.run() == 16
    assert "Could not write pictures: [Errno 28] No space left on device. The training goes on." in caplog.messages
    assert (tmp_path / "report.html").exists()


def test_other_ranks_measure_but_write_nothing(
    heads: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch_utils.distributed.is_main", lambda: False)
    trainer = Trainer(config_of(heads), RunFolder(tmp_path), CPU)
    called: list[int] = []

    def metric(G: Generator, nimg: int) -> float:
        called.append(nimg)
        return 1.0

    average = trainer.state.players.average
    options = {"start_nimg": 0, "metrics": {"m": metric}, "preset": None}
    with watch.Watch(trainer.folder, trainer.config, trainer.dataset, average, **options) as other:
        other.tick({"nimg": 8})
        other.snapshot(8)
    assert called == [8]
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_the_page_of_a_long_run_is_small(heads: tuple[str, str], tmp_path: Path) -> None:
    trainer = Trainer(config_of(heads), RunFolder(tmp_path), CPU)
    names = [f"{player}/{what}" for player in "GD" for what in ("adversarial", "fake", "real", "gradient_norm")]
    with open(trainer.folder.stats, "w", encoding="utf-8") as file:
        for i in range(100_000):
            stats = {name: {"num": 1, "mean": (i % 97) / 97, "std": 0.0} for name in names}
            file.write(json.dumps({"nimg": 4 * i, "images_per_s": 5.0, "stats": stats}) + "\n")
    average = trainer.state.players.average
    options = {"start_nimg": 400_000, "metrics": {}, "preset": None}
    with watch.Watch(trainer.folder, trainer.config, trainer.dataset, average, **options):
        pass
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
