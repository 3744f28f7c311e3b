# SPDX-License-Identifier: Apache-2.0
"""Workloads of the benchmarks, with a network of seconds: each way does the same work, and is timed."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from benchmarks import compare, harness
from benchmarks.neighbour import Neighbour
from benchmarks.workload import FAST, FLOOR, PLAIN, Part, Workload, measure, whole
from benchmarks.workloads import shapes
from benchmarks.workloads.inversions import inversion
from benchmarks.workloads.iterations import iteration
from benchmarks.workloads.pictures import generator, orbit, picture
from configs import resolve


def test_milliseconds_are_per_unit_and_summed_over_parts() -> None:
    seen: list[tuple[str, int]] = []

    def part(name: str):
        return lambda number: seen.append((name, number))

    ways = {FAST: {"once": Part(part("once"), 0.5), "often": Part(part("often"), 4)}, PLAIN: whole(part("plain"))}
    record = measure(Workload("nothing", "time", ways), "cpu", rounds=2)
    calls = ["once", "often", "plain"]
    untimed = [(name, 0) for name in calls for _ in ("first", "its peak")]
    assert seen == untimed + [(name, number) for number in (0, 1) for name in calls for _ in ("untimed", "timed")]
    assert record["milliseconds"][FAST] == pytest.approx(sum(record["parts"][FAST].values()), abs=0.02)


def test_peak_memory_is_what_the_work_takes_beside_what_is_there() -> None:
    held = torch.ones(30_000_000)
    small = harness.peak_bytes(lambda: torch.ones(1_000_000).sum(), "cpu")
    large = harness.peak_bytes(lambda: torch.ones(50_000_000).sum(), "cpu")
    if small is None:
        pytest.skip("this system does not tell")
    assert small < 60e6
    assert 190e6 < large < 260e6
    assert held.sum() == len(held)


@pytest.mark.parametrize("make", [lambda G: picture(G, 16, bf16=True), lambda G: orbit(G, bf16=False)])
def test_pictures_of_all_ways_are_the_same(make) -> None:
    record = measure(make(generator("panohead_debug", "cpu")), "cpu", rounds=1)
    assert record["largest_difference"][FAST] < 1e-4
    assert all(db > 40 for db in record["psnr_db"].values())
    assert set(record["milliseconds"]) >= {FAST, PLAIN, FLOOR}


def test_shapes_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "PLAIN_BLOCK", 20_000)
    workload = shapes.shape(generator("panohead_debug", "cpu"), 64)
    assert workload.ways[PLAIN]["a million points"].times == pytest.approx(64**3 / 20_000)
    assert measure(workload, "cpu", rounds=1)["milliseconds"][FAST] > 0


@pytest.mark.parametrize("stage", ["search", "tuning"])
def test_steps_of_an_inversion_are_timed(stage: str) -> None:
    record = measure(inversion(generator("panohead_debug", "cpu"), stage), "cpu", rounds=1)
    assert set(record["milliseconds"]) == {FAST, PLAIN}


@pytest.mark.slow
def test_a_training_iteration_has_r1_as_often_as_it_is_due(tmp_path: Path) -> None:
    with iteration(resolve("panohead_debug"), "cpu") as workload:
        assert [part.times for part in workload.ways[FAST].values()] == [15 / 16, 1 / 16]
        record = measure(workload, "cpu", rounds=1)
    assert record["parts"][FAST].keys() == record["parts"][PLAIN].keys()


@pytest.mark.slow
def test_the_published_way_works_in_a_process_of_its_own() -> None:
    result = CliRunner().invoke(compare.main, ["small-picture", "--rounds", "1"])
    assert result.exit_code == 0, result.output
    cells = [[cell.strip(" *x") for cell in line.split("|")] for line in result.stdout.splitlines() if "|" in line]
    (row,) = [each for each in cells if each[1].startswith("picture 64")]
    assert float(dict(zip(cells[0], row, strict=True))["times as fast"]) > 0
    with Neighbour("small-picture", "cpu") as neighbour:
        theirs = neighbour.ask("picture", 0)
    with compare.ENTRIES["small-picture"].make("cpu", False) as workload:
        assert torch.allclose(workload.pictures[FAST](0), theirs, atol=1e-4)


def test_the_table_has_a_row_for_each_record_in_the_order_of_the_entries() -> None:
    record = {
        "name": "one",
        "milliseconds": {FAST: 10.0, PLAIN: 40.0, FLOOR: 8.0},
        "peak_bytes": {FAST: 1, PLAIN: 4, FLOOR: 1},
    }
    rows = compare.table({"orbit": record, "picture": {**record, "name": "two"}}, "cpu").splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["two", "one"]
    assert "**4.0 x**" in rows[0]
    assert "**1.25**" in rows[0]
