# SPDX-License-Identifier: Apache-2.0
"""Both sides of the game against the probabilities they stand for."""

import pytest
import torch

from training.losses.adversarial import critic_loss_of_fakes, critic_loss_of_reals, generator_loss

SCORES = torch.tensor([[-3.0], [-0.5], [0.0], [0.1], [4.0]], dtype=torch.float64)
P_REAL = 1 / (1 + (-SCORES[:, 0]).exp())


@pytest.mark.parametrize(
    ("loss", "probability"),
    [(generator_loss, P_REAL), (critic_loss_of_reals, P_REAL), (critic_loss_of_fakes, 1 - P_REAL)],
)
def test_a_loss_is_the_negative_logarithm_of_a_probability(loss, probability) -> None:
    assert torch.allclose(loss(SCORES), -probability.log(), rtol=1e-12)


def test_gradients_are_how_wrong_each_side_is() -> None:
    # d/ds softplus(-s) = -(1 - p), d/ds softplus(s) = p, with p the probability of being real.
    for loss, expected in (
        (generator_loss, P_REAL - 1),
        (critic_loss_of_reals, P_REAL - 1),
        (critic_loss_of_fakes, P_REAL),
    ):
        scores = SCORES.clone().requires_grad_()
        loss(scores).sum().backward()
        assert torch.allclose(scores.grad[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("loss", [generator_loss, critic_loss_of_reals, critic_loss_of_fakes])
def test_extreme_scores_stay_finite_and_keep_their_gradient(loss) -> None:
    scores = torch.tensor([[-1e4], [1e4]], requires_grad=True)
    losses = loss(scores)
    losses.sum().backward()
    assert sorted(losses.tolist()) == [0, 1e4]
    assert sorted(scores.grad.abs().flatten().tolist()) == [0, 1]


@pytest.mark.parametrize("loss", [generator_loss, critic_loss_of_reals, critic_loss_of_fakes])
def test_parts_of_a_batch_have_the_losses_of_the_whole(loss) -> None:
    assert loss(SCORES).equal(torch.cat([loss(part) for part in SCORES.split(2)]))
