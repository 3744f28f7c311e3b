# SPDX-License-Identifier: Apache-2.0
"""Density regularisers on fields whose roughness is known in closed form."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.training.small import codes, labels, small_generator
from training.losses.density import CELLS, corners, density_penalties, monotonicity, smoothness, total_variation

KINDS = ("l1", "monotonic-detach", "monotonic-fixed", "total-variation")
INDICES = torch.tensor([5, 2**33 + 1, 0, 7])
BOX = 1.6
CELL = BOX / CELLS


def penalties(kind: str, query: Callable[[Tensor], Tensor], indices: Tensor = INDICES, **changes) -> dict[str, Tensor]:
    arguments = {"seed": 0, "purpose": "test", "indices": indices, "dtype": torch.float64, **changes}
    return density_penalties(kind, query, BOX, **arguments)


def plane(*slope: float) -> Callable[[Tensor], Tensor]:
    """The density that grows evenly along `slope`."""
    return lambda points: points @ torch.tensor(slope, dtype=points.dtype)


def test_a_plane_has_its_slope_as_total_variation() -> None:
    found = penalties("total-variation", plane(3.0, -4.0, 12.0))
    assert list(found) == ["total_variation"]
    assert torch.allclose(found["total_variation"], torch.tensor(13 * CELL, dtype=torch.float64))


def test_total_variation_turns_with_the_field() -> None:
    # Of the sum of absolute differences this would not hold.
    along, across = (penalties("total-variation", plane(*slope)) for slope in ((math.sqrt(3), 0, 0), (1, 1, 1)))
    assert torch.allclose(along["total_variation"], across["total_variation"])


def test_the_total_variation_of_a_ball_is_its_surface_times_its_jump() -> None:
    # Of a soft edge, wider than a cell. Over it r^2 has the mean radius^2 + variance, that of a logistic distribution.
    radius, jump, edge = 0.5, 3.0, 0.03

    def ball(points: Tensor) -> Tensor:
        return jump * torch.sigmoid((radius - points.norm(dim=-1)) / edge)

    found = penalties("total-variation", ball, torch.arange(100), num_points=2000)["total_variation"].mean() / CELL
    surface = 4 * math.pi * (radius**2 + (math.pi * edge) ** 2 / 3)
    assert found.item() == pytest.approx(surface * jump / (BOX - CELL) ** 3, rel=0.02)


@pytest.mark.parametrize(("kind", "step"), [("l1", 0.004), ("monotonic-fixed", CELL)])
def test_a_plane_is_as_rough_as_the_mean_of_a_normal_step(kind: str, step: float) -> None:
    found = penalties(kind, plane(3.0, -4.0, 12.0), torch.arange(100))["smoothness"]
    assert found.mean().item() == pytest.approx(13 * step * math.sqrt(2 / math.pi), rel=0.01)


def test_the_step_of_l1_is_what_was_asked_for() -> None:
    found, twice = (penalties("l1", plane(1, 2, 3), step_std=step)["smoothness"] for step in (0.01, 0.02))
    assert torch.allclose(2 * found, twice)


@pytest.mark.parametrize("kind", ["monotonic-detach", "monotonic-fixed"])
def test_density_may_rise_inwards_and_not_fall(kind: str) -> None:
    # Inwards from the front is along -z.
    rising, falling, across = (penalties(kind, plane(*s))["monotonicity"] for s in ((0, 0, -2), (0, 0, 2), (5, 5, 0)))
    assert torch.allclose(falling, torch.tensor(2 * CELL, dtype=torch.float64))
    assert rising.abs().max() < 1e-12
    assert across.abs().max() < 1e-12


def test_constant_densities_cost_nothing_and_give_finite_gradients() -> None:
    level = torch.ones((), dtype=torch.float64, requires_grad=True)
    for kind in KINDS:
        # The gradient of a length at 0 is where a square root would give NaN.
        total = sum(x.sum() for x in penalties(kind, lambda points: level * torch.ones_like(points[..., 0])).values())
        (gradient,) = torch.autograd.grad(total, level)
        assert total.item() == 0
        assert gradient.isfinite()


def test_points_that_are_compared_cell_by_cell_lie_in_the_box_and_fill_it() -> None:
    for kind in ("total-variation", "monotonic-fixed"):
        seen = []
        penalties(kind, lambda points, seen=seen: seen.append(points) or points[..., 0])
        points = seen[-1]
        assert points.abs().max() <= BOX / 2 * (1 + 1e-12)
        assert points.abs().amax(dim=(0, 1)).min() > 0.49 * BOX
        assert (points.mean(dim=(0, 1)).abs() < 0.02 * BOX).all()
        octants = (points > 0).double() @ torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
        assert torch.bincount(octants.long().flatten()).min() > 0.1 * octants.numel()


def test_what_is_compared_is_one_cell_apart() -> None:
    uniforms = torch.rand(2, 5, 3, dtype=torch.float64)
    seen = []
    query = lambda points: seen.append(points) or points[..., 0]  # noqa: E731
    total_variation(query, corners(uniforms, BOX, CELL), CELL)
    here, *there = seen[0].chunk(4, dim=1)
    for axis, neighbour in enumerate(there):
        assert torch.allclose(neighbour - here, CELL * torch.eye(3, dtype=torch.float64)[axis])
    monotonicity(query, corners(uniforms, BOX, CELL), CELL, detach_front=False)
    front, behind = seen[1].chunk(2, dim=1)
    assert torch.allclose(front - behind, torch.tensor([0, 0, CELL], dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_the_batch_of_an_image_changes_nothing(kind: str) -> None:
    def query(points: Tensor) -> Tensor:
        return torch.sin(7 * points).prod(dim=-1)

    whole = penalties(kind, query)
    for name, values in whole.items():
        assert len(values.unique()) == len(INDICES)
        parts = [penalties(kind, query, part)[name] for part in INDICES.split(3)]
        assert torch.equal(values, torch.cat(parts)), name


def test_seeds_and_purposes_do_not_share_points() -> None:
    seen = []
    for seed, purpose in ((0, "a"), (1, "a"), (0, "b")):
        penalties("l1", lambda points: seen.append(points) or points[..., 0], seed=seed, purpose=purpose)
    points = torch.cat(seen).flatten(0, 1)
    assert len(points.unique(dim=0)) == len(points) == 3 * len(INDICES) * 2000


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind: str) -> None:
    def value(slope: Tensor) -> Tensor:
        def query(points: Tensor) -> Tensor:
            return torch.sin(points @ slope) + 2 * points[..., 2]

        return sum(x.sum() for x in penalties(kind, query, num_points=20).values())

    slope = torch.tensor([3.0, -5.0, 8.0], dtype=torch.float64, requires_grad=True)
    if kind != "monotonic-detach":  # There the gradient is not that of the value, on purpose.
        assert torch.autograd.gradcheck(value, slope)


def test_what_is_detached_gives_way_behind_only() -> None:
    gradients = {}
    for detach in (True, False):
        # Two points, the front one denser: a density of its own for each, so that the gradient tells them apart.
        densities = torch.tensor([[3.0, 1.0]], dtype=torch.float64, requires_grad=True)
        monotonicity(lambda points, d=densities: d, torch.zeros(1, 1, 3), CELL, detach_front=detach).sum().backward()
        gradients[detach] = densities.grad[0].tolist()
    assert gradients == {True: [0, -1], False: [1, -1]}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reaches_the_planes_and_the_decoder_of_a_field(kind: str) -> None:
    G = small_generator()
    state = G.planes(G.mapping(codes(2), labels(0.2, 2.0)))
    found = density_penalties(
        kind,
        lambda points: G.field.query(state, points).density,
        G.field.box_size,
        seed=0,
        purpose="t",
        indices=INDICES[:2],
    )
    assert all(values.shape == (2,) and values.isfinite().all() for values in found.values())
    sum(values.sum() for values in found.values()).backward()
    for parameter in (G.field.synthesis.blocks[0].const, G.field.decoder.out.weight):
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().sum() > 0


def test_a_longer_step_over_a_line_is_a_larger_change() -> None:
    points = torch.zeros(2, 10, 3)
    steps = torch.stack([torch.full((10, 3), 0.1), torch.full((10, 3), 0.3)])
    assert torch.allclose(smoothness(plane(1, 0, 0), points, steps), torch.tensor([0.1, 0.3]))
