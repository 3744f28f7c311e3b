# SPDX-License-Identifier: Apache-2.0
"""R1 against critics whose gradients are known, and its own gradients against finite differences."""

import pytest
import torch
from torch import Tensor

from tests.training.small import labels, small_critic
from training.blur import blur
from training.losses.r1 import r1_penalty

SHAPES = {"image": (3, 4, 4), "image_raw": (3, 2, 2), "image_mask": (1, 2, 2)}
WEIGHTS = {"image": 1.0, "image_raw": 1.0, "image_mask": 1.0}


def drawn(batch: int = 3, seed: int = 0, **shapes: tuple[int, ...]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = shapes or SHAPES
    return {
        name: torch.randn(batch, *shape, generator=generator, dtype=torch.float64).requires_grad_()
        for name, shape in shapes.items()
    }


def quadratic_scores(pictures: dict[str, Tensor], slopes: Tensor) -> Tensor:
    """sum_k slope_k / 2 |picture_k|^2, whose gradient is slope_k picture_k."""
    terms = [slope / 2 * x.square().flatten(1).sum(1) for slope, x in zip(slopes, pictures.values(), strict=True)]
    return sum(terms)[:, None]


@pytest.mark.parametrize(
    "weights", [(2.0, 2.0, 5.0), (2.0, 2.0, 0.0), (0.0, 0.0, 5.0), (1.0, 0.0, 0.0), (0.0, 3.0, 0.0)]
)
def test_the_penalty_of_a_quadratic_critic_is_known(weights: tuple[float, ...]) -> None:
    pictures, slopes = drawn(), torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    r1 = r1_penalty(quadratic_scores(pictures, slopes), pictures, dict(zip(SHAPES, weights, strict=True)))
    squares = torch.stack([x.detach().square().flatten(1).sum(1) for x in pictures.values()], dim=1)
    half = torch.tensor(weights, dtype=torch.float64) / 2
    assert torch.allclose(r1.penalty, squares @ (half * slopes.detach() ** 2))
    (found,) = torch.autograd.grad(r1.penalty.sum(), slopes)
    assert torch.allclose(found, squares.sum(0) * 2 * half * slopes.detach())
    for k, (name, weight) in enumerate(zip(SHAPES, weights, strict=True)):
        assert (name in r1.squared_norms) == (weight > 0)
        if weight > 0:
            assert torch.allclose(r1.squared_norms[name], squares[:, k] * slopes[k].detach() ** 2)
            assert not r1.squared_norms[name].requires_grad


def test_pictures_without_a_weight_need_neither_exist_nor_matter() -> None:
    pictures = drawn()
    scores = pictures["image"].square().flatten(1).sum(1, keepdim=True)
    only_image = {"image": pictures["image"]}
    r1 = r1_penalty(scores, only_image, {"image": 1.0, "image_mask": 0.0})
    assert torch.allclose(r1.penalty, 2 * pictures["image"].square().flatten(1).sum(1))


def test_a_picture_that_the_scores_do_not_depend_on_is_an_error() -> None:
    pictures = drawn()
    with pytest.raises(RuntimeError, match="not have been used"):
        r1_penalty(pictures["image"].flatten(1).sum(1, keepdim=True), pictures, WEIGHTS)


def test_a_penalty_of_nothing_is_an_error() -> None:
    with pytest.raises(AssertionError, match="no picture has a weight"):
        r1_penalty(torch.zeros(1, 1), {}, {"image": 0.0})


def test_gradients_through_a_real_critic_are_those_of_finite_differences() -> None:
    # The blurred picture is what is differentiated, as in training.
    D = small_critic().double().train()
    sizes = {"image": (3, 32, 32), "image_raw": (3, 8, 8), "image_mask": (1, 8, 8)}
    shown = {name: x.detach() for name, x in drawn(2, 1, **sizes).items()}
    shown["image"] = blur(shown["image"], 1.5)
    weights = {"image": 3.0, "image_raw": 3.0, "image_mask": 7.0}
    c = labels(0.3, -2.0).double()

    def penalty() -> Tensor:
        pictures = {name: x.clone().requires_grad_() for name, x in shown.items()}
        return r1_penalty(D(pictures, c), pictures, weights).penalty.sum()

    parameters = list(D.parameters())
    gradients = torch.autograd.grad(penalty(), parameters, materialize_grads=True)
    generator = torch.Generator().manual_seed(3)
    for _ in range(3):
        directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
        values = []
        for step in (1e-8, -2e-8):  # Tiny ones, because the penalty jumps where a leaky ReLU bends.
            torch._foreach_add_([p.data for p in parameters], directions, alpha=step)
            values.append(penalty().item())
        torch._foreach_add_([p.data for p in parameters], directions, alpha=1e-8)
        slope = sum((gradient * direction).sum() for gradient, direction in zip(gradients, directions, strict=True))
        assert abs(slope) > 0.01
        assert (values[0] - values[1]) / 2e-8 == pytest.approx(slope.item(), rel=1e-3)


def test_norms_of_a_real_critic_are_those_of_finite_differences() -> None:
    D = small_critic().double()
    sizes = {"image": (3, 32, 32), "image_raw": (3, 8, 8), "image_mask": (1, 8, 8)}
    pictures, c = drawn(2, 1, **sizes), labels(0.3, -2.0).double()
    gradients = torch.autograd.grad(D(pictures, c).sum(), list(pictures.values()))
    r1 = r1_penalty(D(pictures, c), pictures, WEIGHTS)
    for name, gradient in zip(pictures, gradients, strict=True):
        # Along its gradient a score climbs by the squared norm of the gradient.
        ends = [D({**pictures, name: pictures[name] + step * gradient}, c).sum().item() for step in (1e-3, -1e-3)]
        assert (ends[0] - ends[1]) / 2e-3 == pytest.approx(r1.squared_norms[name].sum().item(), rel=1e-4)
