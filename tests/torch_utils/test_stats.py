# SPDX-License-Identifier: Apache-2.0
import json
import math

import numpy as np
import pytest
import torch

from torch_utils.stats import Collector, Moments


def test_moments_are_those_of_all_values_at_once():
    parts = [torch.randn(shape) * 3 + 100 for shape in ((), (5,), (4, 1, 7), (0,))]
    collector = Collector("cpu")
    for part in parts:
        collector.report("loss", part)
    everything = torch.cat([part.flatten() for part in parts]).double().numpy()
    moments = collector.collect()["loss"]
    assert moments.num == len(everything)
    assert moments.mean == pytest.approx(np.mean(everything), rel=1e-12)
    assert moments.std == pytest.approx(np.std(everything), rel=1e-8)


@pytest.mark.parametrize("value", [1, 2.5, True, torch.tensor(3), torch.tensor([True, False]), torch.ones(2).half()])
def test_numbers_integers_booleans_and_halves_are_values(value):
    collector = Collector("cpu")
    collector.report("x", value)
    expected = torch.as_tensor(value, dtype=torch.float64)
    assert collector.collect()["x"] == Moments(
        expected.numel(), expected.mean().item(), expected.std(correction=0).item()
    )


def test_values_that_are_not_finite_are_counted_apart():
    collector = Collector("cpu")
    collector.report("loss", torch.tensor([1.0, math.nan, 3.0, math.inf, -math.inf]))
    assert collector.collect() == {"loss": Moments(num=2, mean=2.0, std=1.0, num_nonfinite=3)}


def test_without_a_finite_value_there_is_no_mean():
    collector = Collector("cpu")
    collector.report("loss", math.nan)
    moments = collector.collect()["loss"]
    assert (moments.num, moments.num_nonfinite) == (0, 1)
    assert math.isnan(moments.mean)
    assert math.isnan(moments.std)


def test_equal_values_have_no_spread():
    collector = Collector("cpu")
    for _ in range(1000):
        collector.report("x", 0.1)
    assert collector.collect()["x"].std == pytest.approx(0, abs=1e-7)


def test_collecting_starts_anew_in_alphabetical_order():
    collector = Collector("cpu")
    for name in ("b", "a", "c"):
        collector.report(name, 1.0)
    assert list(collector.collect()) == ["a", "b", "c"]
    assert collector.collect() == {}


def test_reporting_keeps_no_graph():
    collector = Collector("cpu")
    collector.report("loss", torch.ones(3, requires_grad=True) * 2)
    assert not collector.sums["loss"].requires_grad


def test_a_run_that_was_stopped_reports_what_one_without_a_stop_would():
    torch.manual_seed(0)
    values = torch.randn(10, 7)
    through, before, after = Collector("cpu"), Collector("cpu"), Collector("cpu")
    for value in values:
        through.report("x", value)
    for value in values[:4]:
        before.report("x", value)
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    for value in values[4:]:
        after.report("x", value)
    assert after.collect() == through.collect()


def test_saving_does_not_forget():
    collector = Collector("cpu")
    collector.report("x", 2.0)
    collector.state_dict()
    assert collector.collect()["x"].num == 1


PROGRAM = """
import dataclasses, json, torch
from torch_utils import distributed
from torch_utils.stats import Collector
with distributed.session("cpu"):
    rank = distributed.rank()
    collector = Collector("cpu")
    empty = collector.collect()
    collector.report("both", torch.arange(3.0) + 10 * rank)
    collector.report(f"only {rank}", rank + 0.5)
    if rank == 1:
        collector.report("both", float("inf"))
    state = collector.state_dict()
    collected = {name: dataclasses.asdict(m) for name, m in collector.collect().items()}
    collector.load_state_dict(state)
    again = {name: dataclasses.asdict(m) for name, m in collector.collect().items()}
print("RESULT", json.dumps([empty, collected, again]))
"""


def test_ranks_are_added_up_though_their_names_differ(start_ranks):
    ranks = start_ranks(PROGRAM, 2)
    assert ranks.codes() == [0, 0], ranks.output(0) + ranks.output(1)
    results = [json.loads(ranks.output(rank).split("RESULT")[1]) for rank in range(2)]
    assert results[0] == results[1]
    empty, collected, again = results[0]
    assert empty == {}
    assert collected == again
    values = np.array([0, 1, 2, 10, 11, 12])
    assert collected["both"] == {
        "num": 6,
        "mean": pytest.approx(values.mean()),
        "std": pytest.approx(values.std()),
        "num_nonfinite": 1,
    }
    assert [collected[f"only {rank}"]["mean"] for rank in range(2)] == [0.5, 1.5]
