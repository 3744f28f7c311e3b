# SPDX-License-Identifier: Apache-2.0
"""Operations and peak memory of computations that one can count by hand. A number takes 4 bytes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_utils.dry_run import Cost, cost_of

KILO = 4 * 1000


def cost(call: Callable[..., Any], *shapes: tuple[int, ...], needs_grad: bool = False) -> Cost:
    """Of a call with tensors that were there before."""

    def make() -> tuple[nn.Module, Callable[[], Any]]:
        given = [torch.zeros(shape, requires_grad=needs_grad) for shape in shapes]
        return nn.Identity(), lambda: call(*given)

    return cost_of(make)[1]


def chain(x: Tensor) -> Tensor:
    y = x + 1  # One.
    z = y * 2  # Two.
    del y
    return z + 1  # Two again.


def keeps_all(x: Tensor) -> list[Tensor]:
    return [x + i for i in range(5)]


def grows_and_shrinks(x: Tensor) -> Tensor:
    wide = x.repeat(10)  # Ten.
    total = wide.sum()
    del wide
    return x + total


@pytest.mark.parametrize(
    ("call", "kilos"),
    [
        (lambda x: None, 0),
        (lambda x: x + 1, 1),
        (chain, 2),
        (keeps_all, 5),
        (lambda x: torch.cat([x, x]), 2),
        (lambda x: (x + 1).add_(1).mul_(2), 1),
        (lambda x: x.view(10, 100).t()[3:], 0),
        (lambda x: x.add_(1), 0),
        (lambda x: (x + 1).view(10, 100).t().flatten(), 2),
        (lambda x: x.expand(50, 1000), 0),
        (lambda x: x.double(), 2),
        (lambda x: x.half(), 0.5),
    ],
)
def test_memory_of_what_lives_at_once(call: Callable[[Tensor], Any], kilos: float) -> None:
    assert cost(call, (1000,)).peak_bytes == kilos * KILO


def test_memory_that_is_given_back_is_used_again() -> None:
    assert cost(grows_and_shrinks, (1000,)).peak_bytes == 10 * KILO + 4
    assert cost(lambda x: [grows_and_shrinks(x) for _ in range(3)], (1000,)).peak_bytes == 12 * KILO + 4


def test_memory_of_a_backward_pass() -> None:
    # Kept is what sin was given. Backwards its cosine comes, and the product with the gradient.
    def call(x: Tensor) -> None:
        x.exp().sin().sum().backward()

    forward, both = cost(lambda x: x.exp().sin().sum(), (1000,)).peak_bytes, cost(call, (1000,), needs_grad=True)
    assert forward == 2 * KILO
    assert 3 * KILO <= both.peak_bytes <= 3 * KILO + 16


def test_memory_that_gradients_keep_is_counted() -> None:
    def call(x: Tensor) -> Tensor:
        for _ in range(10):
            x = x.sin()
        return x

    assert cost(call, (1000,)).peak_bytes == 2 * KILO
    assert cost(call, (1000,), needs_grad=True).peak_bytes == 10 * KILO


def test_what_was_there_before_is_not_counted() -> None:
    def make() -> tuple[nn.Module, Callable[[], Any]]:
        module = nn.Linear(1000, 1000)
        return module, lambda: module(torch.zeros(1, 1000)).sum()

    module, cost = cost_of(make)
    assert cost.peak_bytes <= 3 * KILO
    assert sum(p.numel() for p in module.parameters()) == 1_001_000


def test_nothing_is_computed_and_no_random_number_is_drawn() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    huge = cost(lambda x: (x @ x + torch.randn(1_000_000, 1_000_000)).sum(), (1_000_000, 1_000_000))
    assert huge.peak_bytes > 8e12
    assert huge.flops_by_module == {}
    assert torch.equal(torch.rand(1), expected)


def flops(module: Callable[[], nn.Module], *shape: int) -> dict[str, int]:
    def make() -> tuple[nn.Module, Callable[[], Any]]:
        made, x = module(), torch.zeros(shape)
        return made, lambda: made(x)

    return cost_of(make)[1].flops_by_module


def test_operations_of_a_matrix_product() -> None:
    assert flops(lambda: nn.Linear(30, 50, bias=False), 7, 30) == {"": 2 * 7 * 30 * 50}


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        (lambda: nn.Conv2d(3, 8, 3, padding=1), 2 * 2 * (16 * 16) * 8 * 3 * 9),
        (lambda: nn.Conv2d(3, 8, 3, stride=2, padding=1), 2 * 2 * (8 * 8) * 8 * 3 * 9),
        (lambda: nn.Conv2d(3, 8, 1), 2 * 2 * (16 * 16) * 8 * 3),
        (lambda: nn.ConvTranspose2d(3, 8, 3, stride=2), 2 * 2 * (16 * 16) * 8 * 3 * 9),
    ],
)
def test_operations_of_a_convolution(module: Callable[[], nn.Module], wanted: int) -> None:
    assert flops(module, 2, 3, 16, 16) == {"": wanted}


class Twice(nn.Module):
    """Calls its part two times, and multiplies by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Sequential(nn.Linear(10, 10), nn.ReLU())
        self.unused = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.part(self.part(x))
        return F.linear(y, torch.ones(4, 10))


def test_operations_belong_to_all_modules_that_they_happen_in() -> None:
    linear = 2 * 3 * 10 * 10
    assert flops(Twice, 3, 10) == {
        "": 2 * linear + 2 * 3 * 10 * 4,
        "part": 2 * linear,
        "part.0": 2 * linear,
        "part.1": 0,
    }


def test_operations_of_a_backward_pass_belong_to_no_module() -> None:
    def make() -> tuple[nn.Module, Callable[[], Any]]:
        module = nn.Linear(10, 10)
        return module, lambda: module(torch.zeros(3, 10)).sum().backward()

    assert cost_of(make)[1].flops_by_module == {"": 2 * 3 * 10 * 10}
