# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from training.rendering.limits import box_limits


@pytest.mark.parametrize(
    ("origin", "direction", "near", "far"),
    [
        ([0.0, 0.0, 2.7], [0.0, 0.0, -1.0], 2.2, 3.2),
        ([0.2, -0.3, 2.7], [0.0, 0.0, -1.0], 2.2, 3.2),
        ([0.0, 0.0, 0.0], [1.0, 0.0, 0.0], 0.0, 0.5),  # From inside.
        ([0.5, 0.0, 2.7], [0.0, 0.0, -1.0], 2.2, 3.2),  # In the plane of a wall.
    ],
)
def test_a_ray_enters_and_leaves(origin: list[float], direction: list[float], near: float, far: float) -> None:
    found_near, found_far, meets = box_limits(torch.tensor([origin]), torch.tensor([direction]), 1.0)
    assert meets.all()
    assert found_near.item() == pytest.approx(near)
    assert found_far.item() == pytest.approx(far)


@pytest.mark.parametrize(
    ("origin", "direction"),
    [([2.0, 0.0, 2.7], [0.0, 0.0, -1.0]), ([0.0, 0.0, 2.7], [0.0, 0.0, 1.0]), ([0.0, 0.0, 2.7], [1.0, 0.0, 0.0])],
)
def test_a_ray_misses(origin: list[float], direction: list[float]) -> None:
    assert not box_limits(torch.tensor([origin]), torch.tensor([direction]), 1.0)[2].any()


def test_entries_and_exits_lie_on_the_walls() -> None:
    torch.manual_seed(0)
    origins = torch.randn(500, 3) * 3
    directions = torch.nn.functional.normalize(torch.randn(500, 3) * 0.3 - origins, dim=-1)
    near, far, meets = box_limits(origins, directions, 1.0)
    assert 50 < meets.sum() < 500
    leave = (origins + far[:, None] * directions)[meets].abs().amax(-1)
    assert torch.allclose(leave, torch.tensor(0.5), atol=1e-4)
    inside = (origins + (near + far)[:, None] / 2 * directions)[meets]
    assert (inside.abs().amax(-1) <= 0.5 + 1e-4).all()
