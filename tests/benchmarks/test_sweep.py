# SPDX-License-Identifier: Apache-2.0
"""Cost against size: slopes, verdicts, what sweeps do, and the page they are written to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import cost_model, scaling
from benchmarks.scale_chart import Line, Panel, charts
from benchmarks.sweep import CONSTANT, LINEAR, Curve, Sweep, Work, judged, measure, slope
from benchmarks.sweeps import pictures, sets, shapes, training
from training.data.config import DataConfig
from training.data.dataset import open_dataset

SIZES = (1, 2, 4, 8, 16)


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_slope_of_a_power_is_its_exponent(power: float) -> None:
    assert slope(SIZES, [3 * size**power for size in SIZES]) == pytest.approx(power)


def test_the_slope_is_of_the_last_three_sizes() -> None:
    assert slope(SIZES, [99, 5, 4, 8, 16]) == pytest.approx(1)
    assert slope((1, 2), [5, 10]) == pytest.approx(1)


def test_a_step_between_the_first_sizes_counts() -> None:
    assert slope(SIZES, [1, 4, 8, 16, 32]) == pytest.approx(1.25)


def sweep_of(made: dict[int, Work], limits: dict[str, float], power: int = 1) -> Sweep:
    @contextmanager
    def make(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
        yield {side: made[side] for side in sides}

    return Sweep("nothing", "things", tuple(made), tuple(made), make, limits, power)


def test_all_sizes_are_measured_in_turn_and_the_median_counts() -> None:
    calls = []

    def work(side: int) -> Work:
        def run(number: int) -> dict[str, float]:
            calls.append((number, side))
            return {"a": side + 10.0 * number, "b": 1.0}

        return run

    curves = measure(sweep_of({1: work(1), 2: work(2)}, {"a": LINEAR, "b": CONSTANT}), (1, 2), rounds=3)
    assert calls == [(0, 1), *((number, side) for number in range(3) for side in (1, 2))]
    assert curves == {"a": Curve([11, 12], [21, 11]), "b": Curve([1, 1], [1, 1])}


def test_what_grows_faster_than_its_size_is_told() -> None:
    sweep = sweep_of({}, {"a": LINEAR, "b": CONSTANT}, power=2)
    sides = (1, 2, 4)
    linear, cubic = Curve([1, 4, 16], [1, 1, 1]), Curve([1, 8, 64], [1, 1, 1])
    told = judged(sweep, sides, {"a": linear, "b": linear})["curves"]
    assert [told[name]["holds"] for name in ("a", "b")] == [True, False]
    assert judged(sweep, sides, {"a": cubic})["curves"]["a"]["slope"] == 1.5
    assert "**1.50** (steeper)" in scaling.table([judged(sweep, sides, {"a": cubic})])


def test_a_size_may_be_a_square_in_table_and_chart() -> None:
    record = judged(sweep_of({}, {"a": LINEAR}, power=2), (1, 2, 4), {"a": Curve([1, 4, 16], [1, 1, 1])})
    assert "| 1^2 | 4^2 |" in scaling.table([record])
    (panel,) = scaling.panels([record])
    assert panel.lines[0].limit == 2  # Of time against the side.


def test_charts_stand_in_rows_of_three_and_show_what_is_too_steep() -> None:
    def panel(line: Line) -> Panel:
        return Panel("title", "x", (1, 10, 100), [line])

    well, steep = panel(Line("a", [1, 10, 100], 1.0)), panel(Line("a", [1, 10, 100], 1.0, holds=False))
    one, four = charts([well]), charts([well] * 4)
    assert four.shape[0] > 2 * one.shape[0]
    assert four.shape[1] > 3 * one.shape[1]
    assert (charts([steep]) != one).any()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (pictures, training):
        monkeypatch.setattr(module, "CFG", "panohead_debug")
    pictures.whole.cache_clear()
    yield
    pictures.whole.cache_clear()


@pytest.mark.parametrize("name", ["rays", "samples", "batch", "planes", "depth", "frames", "shape"])
def test_every_curve_of_a_sweep_is_measured(name: str, small: None) -> None:
    sweep = scaling.SWEEPS[name]
    curves = measure(sweep, sweep.quick, rounds=1)
    assert curves.keys() == sweep.limits.keys()
    assert all(ms > 0 for curve in curves.values() for ms in curve.milliseconds)
    assert all(len(curve.milliseconds) == len(sweep.quick) for curve in curves.values())


def test_a_film_prepares_its_head_once(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    G, calls = pictures.whole(), []
    prepare = G.field.prepare
    monkeypatch.setattr(G.field, "prepare", lambda *arguments: calls.append(1) or prepare(*arguments))
    taken = pictures.film(G, 5)
    assert len(calls) == 1
    assert 0 < taken["its head"] < taken["film"]


def test_a_set_has_so_many_labelled_pictures_with_masks(tmp_path: Path) -> None:
    data = DataConfig(img_data=str(sets.write_set(tmp_path / "set.zip", 30)), mirror=True)
    dataset = open_dataset(data, seed=0)
    assert len(dataset) == 60
    assert dataset[59].mask is not None
    assert dataset.labels.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["step", "ranks", "labels"])
def test_trainings_are_measured_from_outside(name: str, small: None) -> None:
    sweep = scaling.SWEEPS[name]
    curves = measure(sweep, sweep.quick, rounds=1)
    assert curves.keys() == sweep.limits.keys()
    assert all(ms > 0 for curve in curves.values() for ms in curve.milliseconds)


def test_sweeps_cover_what_is_promised() -> None:
    sides = {name: sweep.sides for name, sweep in scaling.SWEEPS.items()}
    assert sides["rays"] == (32, 64, 128, 256)
    assert sides["planes"] == (64, 128, 256, 512)
    assert sides["depth"] == (1, 2, 4, 8)
    assert sides["shape"] == (64, 128, 256, 512, 1024)
    assert sides["ranks"] == (1, 2)
    assert sides["labels"] == (10**3, 10**4, 10**5, 10**6)
    assert len(sides) == len(pictures.SWEEPS) + len(shapes.SWEEPS) + len(training.SWEEPS) + len(sets.SWEEPS)


def test_the_page_has_a_place_for_everything_that_is_written() -> None:
    page = cost_model.PAGE.read_text()
    assert scaling.PAGE == cost_model.PAGE
    for name in ("scaling", "costs", "predictions", "checks"):
        assert page.count(f"<!-- {name} -->") == page.count(f"<!-- /{name} -->") == 1
