# SPDX-License-Identifier: Apache-2.0
"""The learned shift of the camera: what it changes of a label, what it leaves, and how it starts."""

import torch
from torch import Tensor

from tests.training.small import codes, labels
from training.adaptation import CameraShift

C = labels(0.0, 2.0, -1.0)


def shift(*, c_dim: int = 25, camera_scale: float = 1.0, zero_init: bool = False) -> CameraShift:
    torch.manual_seed(0)
    return CameraShift(8, c_dim, num_layers=2, camera_scale=camera_scale, zero_init=zero_init)


def test_only_the_position_of_the_camera_changes_and_by_the_shift() -> None:
    moved, shift_world = shift()(codes(3), C)
    position = [3, 7, 11]
    others = [i for i in range(25) if i not in position]
    assert shift_world.norm(dim=1).min() > 1e-3
    assert torch.equal(moved[:, others], C[:, others])
    assert torch.allclose(moved[:, position], C[:, position] + shift_world, atol=1e-6)


def test_conditions_beyond_the_camera_are_read_and_passed_on() -> None:
    module = shift(c_dim=31)
    pose = torch.randn(3, 6)
    moved, shift_world = module(codes(3), torch.cat([C, pose], dim=1))
    assert moved.shape == (3, 31)
    assert torch.equal(moved[:, 25:], pose)
    assert (module(codes(3), torch.cat([C, 0 * pose], dim=1))[1] - shift_world).abs().min() > 0


def test_it_may_start_without_any_shift_and_learn_one() -> None:
    module = shift(zero_init=True)
    moved, shift_world = module(codes(3), C)
    assert torch.equal(moved, C)
    assert torch.equal(shift_world, torch.zeros(3, 3))
    moved[:, 3].sum().backward()
    assert module.mapping.layers[-1].weight.grad.norm() > 0
    assert module.mapping.layers[-1].bias.grad[0] > 0


def test_truncation_draws_it_towards_its_mean() -> None:
    module = shift()
    module.mapping.w_avg.copy_(torch.tensor([0.1, -0.2, 0.3]))
    full, half, none = (module(codes(3), C, psi)[1] for psi in (1.0, 0.5, 0.0))
    assert torch.allclose(none, module.mapping.w_avg.expand(3, 3))
    assert torch.allclose(half, (full + none) / 2, atol=1e-6)
    assert torch.equal(module(codes(3), C, 0.5, truncation_cutoff=0)[1], full)
    assert torch.equal(module(codes(3), C, 0.5, truncation_cutoff=1)[1], half)


def test_a_camera_that_is_hidden_plays_no_part() -> None:
    hidden, seen = shift(camera_scale=0.0), shift()
    z = codes(1).expand(3, -1)

    def spread(module: CameraShift) -> Tensor:
        return module(z, C)[1].std(dim=0).max()

    assert spread(hidden) < 1e-6
    assert spread(seen) > 1e-3
