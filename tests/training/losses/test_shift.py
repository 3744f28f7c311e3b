# SPDX-License-Identifier: Apache-2.0
"""What camera shifts cost in both forms."""

import torch

from training.losses.shift import shift_penalty

# Those of the published step of a generator, which cost 0.1360854 in the published form.
SHIFTS = torch.tensor([[-0.014790, 0.396719, 0.230819], [0.441109, 0.176823, -0.414238]])


def test_the_batch_mean_costs_what_it_did_in_the_published_code() -> None:
    penalty = shift_penalty(SHIFTS, "batch-mean")
    assert penalty.shape == (2,)
    assert abs(10 * penalty.mean().item() - 1.360854) < 2e-5


def test_opposite_shifts_cancel_in_the_batch_mean_only() -> None:
    shifts = torch.tensor([[1.0, -2.0, 2.0], [-1.0, 2.0, -2.0]])
    assert shift_penalty(shifts, "batch-mean").tolist() == [0, 0]
    assert shift_penalty(shifts, "per-sample").tolist() == [9, 9]


def test_only_per_sample_is_the_same_for_parts_of_a_batch() -> None:
    def in_parts(form):
        return torch.cat([shift_penalty(shift[None], form) for shift in SHIFTS])

    assert torch.equal(in_parts("per-sample"), shift_penalty(SHIFTS, "per-sample"))
    assert not torch.allclose(in_parts("batch-mean"), shift_penalty(SHIFTS, "batch-mean"), rtol=0.1)


def test_gradients_of_both_forms() -> None:
    for form, expected in (("per-sample", 2 * SHIFTS / 2), ("batch-mean", 2 * SHIFTS.mean(0).expand(2, 3) / 2)):
        shifts = SHIFTS.clone().requires_grad_()
        shift_penalty(shifts, form).mean().backward()
        assert torch.allclose(shifts.grad, expected)
    assert shift_penalty(torch.zeros(2, 3), "per-sample").tolist() == [0, 0]
