# SPDX-License-Identifier: Apache-2.0
"""Inversions that are stopped, or meant for others."""

import dataclasses
import threading
from pathlib import Path

import pytest
import torch

from tests.training.inversion.solid import head, solid_generator, target
from torch_utils import checkpoint
from training.inversion import journal, loop
from training.inversion.inverting import Inversion, invert
from training.inversion.likeness import edges
from training.inversion.searching import Search
from training.inversion.settings import Settings
from training.inversion.stage import Stage

G = solid_generator()
TARGETS = target(G, head(G), 0)
SETTINGS = Settings(num_steps=20, num_tuning_steps=20, refine_camera=True)


class StopAfter(threading.Event):
    """Is set when it was looked at so many times; the loop looks once after each step."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._left = looks

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 1


def run(folder: Path, stop: threading.Event | None = None, settings: Settings = SETTINGS) -> Inversion | None:
    return invert(G, TARGETS, settings, edges(), folder, stop or threading.Event())


def test_an_inversion_that_was_stopped_again_and_again_comes_to_the_same(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    whole = run(tmp_path / "a")
    assert whole is not None
    for steps in (3, 10, 9):  # Not only where losses are read; and the first step of tuning is among them.
        assert run(tmp_path / "b", StopAfter(steps)) is None
    parts = run(tmp_path / "b")
    assert parts is not None
    assert parts.course.losses == whole.course.losses
    assert parts.course.frames == whole.course.frames
    assert len(whole.course.losses["search"]) == len(whole.course.losses["tuning"]) == 20
    assert torch.equal(parts.latent.ws, whole.latent.ws)
    assert torch.equal(parts.latent.labels, whole.latent.labels)
    assert not torch.equal(whole.latent.labels, TARGETS.labels)  # Cameras are put right, too.
    tensors = parts.tuned.state_dict()
    assert all(torch.equal(tensors[name], x) for name, x in whole.tuned.state_dict().items())


def test_it_stops_after_the_step_that_is_under_way(tmp_path: Path) -> None:
    assert run(tmp_path, StopAfter(2)) is None
    header = checkpoint.read(tmp_path / journal.NAME)[1]
    assert (header["stage"], header["step"], len(header["losses"]["search"])) == ("search", 2, 2)


def test_slow_steps_are_saved_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(Search, "step", lambda self, step, made=Search.step: made(self, step) if step < 2 else 1 / 0)
    with pytest.raises(ZeroDivisionError):  # As if killed.
        run(tmp_path)
    assert checkpoint.read(tmp_path / journal.NAME)[1]["step"] == 2


def test_a_finished_one_takes_no_more_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = dataclasses.replace(SETTINGS, num_steps=4, num_tuning_steps=4)
    first = run(tmp_path, settings=short)
    monkeypatch.setattr(Stage, "step", None)
    again = run(tmp_path, settings=short)
    assert first is not None
    assert again is not None
    assert again.course.losses == first.course.losses
    assert torch.equal(again.latent.ws, first.latent.ws)


def test_the_folder_of_another_inversion_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, StopAfter(1)) is None
    before = (tmp_path / journal.NAME).read_bytes()
    with pytest.raises(ValueError, match=r"another inversion:\n  seed: 303, now 7\n.*another --outdir"):
        run(tmp_path, settings=dataclasses.replace(SETTINGS, seed=7))
    assert (tmp_path / journal.NAME).read_bytes() == before


def test_a_damaged_state_is_told(tmp_path: Path) -> None:
    (tmp_path / journal.NAME).write_bytes(b"no state")
    with pytest.raises(ValueError, match="Remove it to begin anew"):
        run(tmp_path)
    checkpoint.write(tmp_path / journal.NAME, {}, {"format": "others"})
    with pytest.raises(ValueError, match="no state of an inversion"):
        run(tmp_path)


@pytest.mark.slow
def test_a_plateau_ends_the_level_part_of_a_search_and_all_of_tuning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "is_flat", lambda losses: len(losses) >= 10)
    found = run(tmp_path, settings=dataclasses.replace(SETTINGS, num_steps=40))
    assert found is not None
    assert len(found.course.losses["search"]) == 20  # Ten, then the last quarter.
    assert len(found.course.losses["tuning"]) == 10


def test_losses_that_are_no_numbers_end_it(tmp_path: Path) -> None:
    likeness = dataclasses.replace(edges(), perceptual=lambda pictures, targets: pictures.flatten(1).sum(1) * torch.nan)
    with pytest.raises(loop.InversionError, match="loss is nan before step 10"):
        invert(G, TARGETS, SETTINGS, likeness, tmp_path, threading.Event())
