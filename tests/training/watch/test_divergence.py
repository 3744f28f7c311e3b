# SPDX-License-Identifier: Apache-2.0
"""A run that is lost ends with a word, and takes nothing with it."""

import math
from pathlib import Path

import pytest
import torch

from tests.training.watch.runs import CPU, config_of
from training.generator import Generator
from training.run_folder import RunFolder
from training.trainer import Trainer
from training.watch.divergence import DivergedError, Divergence, check_weights

GOOD, BAD = torch.tensor([1.0, 2.0]), torch.tensor([1.0, math.nan])


def since(*losses: torch.Tensor) -> Divergence:
    divergence = Divergence(CPU)
    for i, loss in enumerate(losses):
        divergence.observe({"D/fake": loss, "scores/fake": BAD}, 8 * i)
    return divergence


def test_only_a_loss_that_stays_no_number_ends_a_run() -> None:
    since(GOOD, BAD, GOOD).check(24, 8, [])
    since(BAD, GOOD, BAD).check(24, 8, [])
    with pytest.raises(DivergedError, match="D/fake has not been a finite number since image 8"):
        since(GOOD, BAD, BAD).check(24, 8, [])


def test_the_parts_of_a_step_count_together() -> None:
    divergence = since(GOOD, BAD)
    for loss in (BAD, GOOD):  # One part is well, one is not, and the order must not matter for long.
        divergence.observe({"D/fake": loss}, 16)
    for loss in (GOOD, BAD):
        divergence.observe({"D/fake": loss}, 24)
    for loss in (BAD, BAD):
        divergence.observe({"D/fake": loss}, 32)
    with pytest.raises(DivergedError):
        divergence.check(40, 8, [])


@pytest.mark.usefixtures("few_pictures")
def test_broken_weights_end_a_run_at_the_next_tick_and_the_last_save_is_whole(
    heads: tuple[str, str], tmp_path: Path
) -> None:
    config = config_of(heads, "loop.total_nimg=32", "loop.tick_nimg=8", "loop.snapshot_nimg=16")

    def poison(average: Generator, nimg: int) -> float:
        next(trainer.state.players.generator.field.parameters()).data.flatten()[0] = math.nan
        return 0.0

    trainer = Trainer(config, RunFolder(tmp_path), CPU, metrics={"poison": poison})
    with pytest.raises(
        DivergedError, match=r"since image 16\. Nothing was saved since\. The save at image 16 is whole"
    ):
        trainer.run()
    assert trainer.folder.saves() == [16]
    page = (tmp_path / "report.html").read_text()
    assert "The run stopped." in page
    assert "since image 16" in page
    assert Trainer(config, trainer.folder, CPU).run() == 32
    assert "The run stopped." not in (tmp_path / "report.html").read_text()


def test_a_run_with_a_mad_learning_rate_ends_without_a_save_of_what_it_made(
    heads: tuple[str, str], tmp_path: Path
) -> None:
    config = config_of(
        heads, "generator_adam.lr=1e30", "critic_adam.lr=1e30", "loop.total_nimg=64", "loop.snapshot_nimg=8"
    )
    trainer = Trainer(config, RunFolder(tmp_path), CPU)
    with pytest.raises(DivergedError, match="There is no earlier save"):
        trainer.run()
    assert trainer.folder.saves() == []


def test_weights_that_are_not_finite_are_named() -> None:
    layer = torch.nn.Linear(2, 2)
    check_weights({"G": layer}, 8, [])
    layer.bias.data[0] = math.inf
    with pytest.raises(DivergedError, match="At image 8, G has weights that are not finite"):
        check_weights({"G": layer}, 8, [4])
