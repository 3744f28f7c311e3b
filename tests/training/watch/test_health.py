# SPDX-License-Identifier: Apache-2.0
"""Every alarm sounds on a run or on a generator that is broken on purpose, and none on what is well."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dnnlib.config_paths import replace
from tests.marks import slow_but
from tests.training.small import CONFIG, labels, small_generator
from tests.training.watch.heads import head_views
from tests.training.watch.runs import config_of, run
from training.fields.base import FieldSamples
from training.generator import Generator
from training.model_config import MarcherConfig
from training.objective import Objective
from training.trainer import Trainer
from training.watch.alarms import ALARMS, Alarm
from training.watch.health import Health
from training.watch.measures import measure
from training.watch.rows import Row
from training.watch.views import render_views, rig_of

Key = tuple[str, str]  # The value of an alarm, and its side.


def key(alarm: Alarm) -> Key:
    return alarm.value, "low" if alarm.above is None else "high"


def sounding(rows: list[Row], patience: float = 0.0) -> list[Key]:
    health = Health(has_background=True, patience=patience)
    return [key(alarm) for row in rows for alarm in health.take(row)]


# Generators that are broken on purpose.


def constant_z(G: Generator) -> None:
    whole = G.mapping_network.forward
    G.mapping_network.forward = lambda z, c: whole(torch.ones_like(z), c)


def colourless(G: Generator) -> None:
    for parameter in G.parameters():
        parameter.data.zero_()


def with_field(change: Callable[[Tensor, FieldSamples], FieldSamples], G: Generator) -> None:
    query = G.field.query
    G.field.query = lambda state, points, seen: change(points, query(state, points, seen))


def of_density(density: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Generator], None]:
    return lambda G: with_field(lambda x, found: FieldSamples(density(x, found.density), found.features), G)


def two_faced(G: Generator) -> None:
    """The same before and behind."""
    query = G.field.query

    def mirrored(state: Tensor, points: Tensor, seen: Tensor | None) -> FieldSamples:
        return query(state, points * points.new_tensor([1, 1, 0]) + _depth(points).abs(), seen)

    G.field.query = mirrored
    of_density(lambda x, density: density + 1e4 * (0.2 - x.norm(dim=-1)))(G)


def _depth(points: Tensor) -> Tensor:
    return points * points.new_tensor([0, 0, 1])


BROKEN_GENERATORS: dict[Key, Callable[[Generator], None]] = {
    ("health/contrast", "low"): colourless,
    ("health/diversity", "low"): constant_z,
    ("health/relief", "low"): of_density(lambda x, density: 1e4 * (0.1 - x[..., 2].abs())),
    ("health/opacity", "low"): of_density(lambda x, density: torch.full_like(density, -1e3)),
    ("health/opacity", "high"): of_density(lambda x, density: torch.full_like(density, 1e3)),
    ("health/mirrored_face", "high"): two_faced,
}


@pytest.mark.parametrize(("value", "side"), BROKEN_GENERATORS)
def test_a_broken_generator_is_found(value: str, side: str) -> None:
    G = small_generator(replace(CONFIG, renderer=MarcherConfig(resolution=16, num_coarse=32, num_fine=32)))
    BROKEN_GENERATORS[value, side](G)
    found = measure(render_views(G, rig_of(G, labels(0.0)), seed=0, raw_resolution=16, num_latents=4))
    assert (value, side) in sounding([{"nimg": 100_000, "health": found}])


def test_real_heads_sound_no_alarm() -> None:
    assert sounding([{"nimg": 100_000, "health": measure(head_views())}]) == []


# Runs that are broken on purpose.


def scores_moved(real: float, fake: float) -> Callable[[Trainer], None]:
    def prepare(trainer: Trainer) -> None:
        objective = trainer.step.objective
        scores_of = objective._scores_of

        def moved(*arguments: object) -> Tensor:
            return scores_of(*arguments) + (real if arguments[-1] in ("D reals", "D R1") else fake)

        objective._scores_of = moved

    return prepare


def times(factor: float, from_nimg: int, until_nimg: int = 10**9) -> Callable[[Trainer], None]:
    """Losses of both players in some steps."""

    def prepare(trainer: Trainer) -> None:
        objective = trainer.step.objective
        total = Objective._total

        def factored(losses: Tensor, part: object) -> Tensor:
            return total(losses, part) * (factor if from_nimg <= part.batch_start < until_nimg else 1)

        objective._total = factored
        adversarial = objective._scores_of

        def scores(*arguments: object) -> Tensor:
            part = arguments[2]
            is_broken = math.isnan(factor) and from_nimg <= part.batch_start < until_nimg
            return adversarial(*arguments) * (factor if is_broken else 1)

        objective._scores_of = scores

    return prepare


def far_camera(trainer: Trainer) -> None:
    for name, parameter in trainer.state.players.generator.adaptation.named_parameters():
        if name.endswith("bias"):
            parameter.data.fill_(1.0)


def slow_disk(trainer: Trainer) -> None:
    """Reading a batch takes as long as a step."""
    read, step = trainer.dataset.index.read, trainer.step
    took_s = 0.0

    def slowly(row: int) -> object:
        time.sleep(took_s / trainer.config.loop.batch)
        return read(row)

    def timed(*arguments: object) -> None:
        nonlocal took_s
        start_s = time.monotonic()
        step(*arguments)
        took_s = time.monotonic() - start_s

    timed.divergence = step.divergence
    trainer.dataset.index.read = slowly
    trainer.step = timed


Broken = tuple[set[Key], tuple[str, ...], Callable[[Trainer], None]]

BROKEN_RUNS: dict[str, Broken] = {
    "a critic that is sure of everything": (
        {("signs/real", "high"), ("score_gap", "high")},
        (),
        scores_moved(real=40, fake=-40),
    ),
    "a critic that is wrong about everything": (
        {("signs/real", "low"), ("signs/fake", "high")},
        (),
        scores_moved(real=-40, fake=40),
    ),
    "losses that are no numbers for one step": (
        {("nonfinite_losses", "high"), ("G/nonfinite_gradients", "high"), ("D/nonfinite_gradients", "high")},
        (),
        times(math.nan, 8, 12),
    ),
    "losses that grow suddenly": (
        {("G/gradient_growth", "high"), ("D/gradient_growth", "high")},
        (),
        times(1e6, 12),
    ),
    "losses without a slope": ({("G/gradient_norm", "low"), ("D/gradient_norm", "low")}, (), times(0.0, 0)),
    "cameras that run away": ({("camera_shift", "high")}, (), far_camera),
    "too much augmentation": ({("augment_p", "high")}, ("augment.mode=fixed", "augment.p=0.9"), lambda trainer: None),
    "a slow disk": ({("data_wait", "high")}, ("loop.total_nimg=12",), slow_disk),
}


# The others are told in the same ways.
FEW = (
    *("a critic that is sure of everything", "losses that are no numbers for one step", "losses that grow suddenly"),
    *("cameras that run away", "a slow disk"),
)


@pytest.mark.usefixtures("few_pictures")
@pytest.mark.parametrize("what", slow_but(FEW, BROKEN_RUNS))
def test_a_broken_run_is_found(what: str, heads: tuple[str, str], tmp_path: Path) -> None:
    expected, assignments, prepare = BROKEN_RUNS[what]
    rows = run(config_of(heads, *assignments), tmp_path, prepare)
    assert expected <= set(sounding(rows))


def test_a_healthy_run_is_silent(heads: tuple[str, str], tmp_path: Path) -> None:
    rows = run(config_of(heads, "loop.total_nimg=32", "loop.tick_nimg=16"), tmp_path)
    assert sounding(rows, patience=1.0) == []
    # Nor would it sound any alarm for what needs no patience.
    immediate = {key(alarm) for alarm in ALARMS if alarm.after_nimg <= 2_000} - {("data_wait", "high")}
    assert not immediate & set(sounding(rows))


def test_every_alarm_was_shown() -> None:
    shown = set(BROKEN_GENERATORS).union(*(expected for expected, _, _ in BROKEN_RUNS.values()))
    assert shown == {key(alarm) for alarm in ALARMS}


# Patience.


def rows_of(values: list[float], step: int) -> Iterator[Row]:
    return ({"nimg": step * (i + 1), "augment_p": value} for i, value in enumerate(values))


def test_an_alarm_sounds_once_for_every_excursion() -> None:
    health = Health(has_background=True, patience=0.0)
    heard = [len(health.take(row)) for row in rows_of([0.1, 0.9, 0.95, 0.9, 0.2, 0.85], 1000)]
    assert heard == [0, 1, 0, 0, 0, 1]
    assert [judged.sounds for judged in health.judged() if judged.alarm.value == "augment_p"] == [True]


def test_a_young_run_is_not_judged_and_one_bad_tick_not_heard() -> None:
    assert sounding(list(rows_of([0.9] * 19, 1000)), patience=1.0) == []
    assert sounding(list(rows_of([0.9] * 21, 1000)), patience=1.0) == [("augment_p", "high")]

    def signs(*values: float) -> list[Row]:
        return [{"nimg": 4000 * (i + 1), "stats": {"signs/real": {"mean": value}}} for i, value in enumerate(values)]

    assert sounding(signs(*[0.6] * 9, 1.0, 0.6, 0.6), patience=1.0) == []
    assert sounding(signs(*[0.6] * 9, *[1.0] * 20), patience=1.0) == [("signs/real", "high")]


def test_a_model_without_background_may_fill_the_picture() -> None:
    health = Health(has_background=False, patience=0.0)
    assert health.take({"nimg": 100_000, "health": {"opacity": 1.0}}) == []
    assert [alarm.below for alarm in health.take({"nimg": 100_001, "health": {"opacity": 0.01}})] == [0.05]
