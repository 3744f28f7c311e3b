# SPDX-License-Identifier: Apache-2.0
"""Recordings give what the function gives. A GPU answers the same questions in tests/gpu."""

from contextlib import contextmanager
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tests.torch_utils import fake_graph
from torch_utils.cuda_graph import Recorded, can_record


class Pair(NamedTuple):
    sums: dict[str, Tensor]
    label: str


class Counted:
    """A function, and how often Python carried it out."""

    def __init__(self) -> None:
        self.layer = nn.Linear(3, 2).requires_grad_(False)
        self.num_calls = 0

    def __call__(self, x: Tensor, scale: float = 1.0, *, other: Tensor | None = None) -> Pair:
        self.num_calls += 1
        y = self.layer(x) * scale
        return Pair({"y": y if other is None else y + other, "x": x}, f"scale {scale}")


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[fake_graph.FakeGraph]:
    return fake_graph.install(monkeypatch)


@torch.no_grad()
def test_replays_follow_new_inputs_and_weights_that_were_changed_in_place(graphs: list) -> None:
    function = Counted()
    recorded = Recorded(function)
    results = []
    for number in range(5):
        function.layer.weight.fill_(number)
        x = torch.randn(4, 3)
        found, expected = recorded(x), Counted.__call__(function, x)
        function.num_calls -= 1
        assert torch.equal(found.sums["y"], expected.sums["y"])
        assert found.label == "scale 1.0"
        results.append((found, expected))
    # Later replays leave what was given before alone.
    assert all(torch.equal(found.sums["y"], expected.sums["y"]) for found, expected in results)
    assert all(torch.equal(found.sums["x"], expected.sums["x"]) for found, expected in results)
    assert function.num_calls == 3  # Plainly, on the side stream, while it is recorded.
    assert [graph.num_replays for graph in graphs] == [4]


@torch.no_grad()
def test_other_shapes_types_and_settings_are_computed_as_ever(graphs: list) -> None:
    function = Counted()
    recorded = Recorded(function)
    x, other = torch.randn(4, 3), torch.randn(4, 2)
    for _ in range(3):
        recorded(x, other=other)
    calls = function.num_calls
    assert recorded.is_recorded
    for call in (
        lambda f: f(x[:2], other=other[:2]),
        lambda f: f(x, 2.0, other=other),
        lambda f: f(x, other=None),
        lambda f: f(x, other=other.double()),
    ):
        assert torch.equal(call(recorded).sums["y"], call(function).sums["y"])
    assert function.num_calls == calls + 8
    assert torch.equal(recorded(x + 1, other=other).sums["y"], function(x + 1, other=other).sums["y"])
    assert len(graphs) == 1


def test_other_modes_and_other_types_of_equal_values_are_computed_as_ever(
    graphs: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = Counted()
    recorded = Recorded(function)
    x = torch.randn(4, 3)
    with torch.inference_mode():
        for _ in range(3):
            recorded(x, 1.0)
        assert recorded(x, True).label == "scale True"
    assert recorded.is_recorded
    with torch.no_grad():
        assert torch.equal(recorded(x, 1.0).sums["y"], function(x, 1.0).sums["y"])
    calls = function.num_calls
    with torch.inference_mode(), monkeypatch.context() as patch:
        patch.setattr(torch, "is_autocast_enabled", lambda _: True)
        recorded(x, 1.0)
    assert function.num_calls == calls + 1
    with torch.inference_mode():
        recorded(x, 1.0)
    assert function.num_calls == calls + 1


@torch.no_grad()
def test_a_single_call_of_each_kind_is_not_recorded(graphs: list) -> None:
    recorded = Recorded(Counted())
    for size in (1, 2, 1, 2):
        recorded(torch.randn(size, 3))
    assert not graphs
    recorded(torch.randn(2, 3))
    assert len(graphs) == 1


def test_where_gradients_are_wanted_they_are_there(graphs: list) -> None:
    recorded = Recorded(Counted())
    for _ in range(3):
        x = torch.randn(2, 3, requires_grad=True)
        recorded(x).sums["y"].sum().backward()
        assert x.grad is not None
    assert not graphs


@torch.no_grad()
def test_what_cannot_be_recorded_is_computed_as_ever_and_said_once(
    graphs: list, caplog: pytest.LogCaptureFixture
) -> None:
    def looks(x: Tensor) -> Tensor:
        return x * 2 if bool(x.sum() > 0) else x

    recorded = Recorded(looks)
    for value in (1.0, 2.0, -3.0, 4.0):
        assert torch.equal(recorded(torch.tensor([value])), looks(torch.tensor([value])))
    assert not recorded.is_recorded
    assert len(graphs) == 1
    assert len(caplog.records) == 1
    assert "capturing" in caplog.text


@torch.no_grad()
def test_numbers_that_the_host_draws_are_drawn_anew(graphs: list) -> None:
    recorded = Recorded(lambda x: x + torch.randint(2**30, ()).item())
    torch.manual_seed(0)
    found = [recorded(torch.zeros(1, dtype=torch.int64)).item() for _ in range(4)]
    torch.manual_seed(0)
    assert found == [torch.randint(2**30, ()).item() for _ in range(4)]
    assert not recorded.is_recorded


@torch.no_grad()
def test_calls_that_record_are_in_the_context_that_is_given(graphs: list) -> None:
    inside: list[bool] = []
    is_inside = False

    @contextmanager
    def context():
        nonlocal is_inside
        is_inside = True
        yield
        is_inside = False

    def function(x: Tensor) -> Tensor:
        inside.append(is_inside)
        return x + 1

    recorded = Recorded(function, context)
    for _ in range(3):
        recorded(torch.ones(1))
    assert inside == [False, True, True]


@torch.no_grad()
def test_tensors_of_a_cpu_are_not_recorded() -> None:
    assert not can_record([torch.ones(1)])
    assert not can_record([])
