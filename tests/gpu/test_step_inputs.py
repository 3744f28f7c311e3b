# SPDX-License-Identifier: Apache-2.0
"""What a training step is given, on a GPU: the same as on the CPU."""

import torch

from training.blur import blur
from training.losses.density import density_penalties
from training.prior import Prior

DEVICE = "cuda"


def test_a_draw_arrives_as_it_was_drawn():
    prior = Prior(
        0, z_dim=512, num_ws=14, labels=torch.randn(100, 25), weights=[1.0] * 100, background_swap=0.5, style_mixing=0.5
    )
    drawn = prior.draw("G", torch.arange(32), batch_start=0, batch=32, swap_probability=0.7)
    there = drawn.to(DEVICE)
    assert there.c.cpu().equal(drawn.c)
    for inputs, before in ((there.styles, drawn.styles), (there.background, drawn.background)):
        assert inputs.z.cpu().equal(before.z)
        assert inputs.c.cpu().equal(before.c)
        assert inputs.second.crossover.cpu().equal(before.second.crossover)


def test_blurred_pictures_agree():
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(blur(images.to(DEVICE), 7.3).cpu(), blur(images, 7.3), rtol=1e-5, atol=1e-5)


def test_density_penalties_agree():
    def penalty(device):
        found = density_penalties(
            "monotonic-fixed",
            lambda points: torch.sin(9 * points).sum(-1),
            1.0,
            seed=0,
            purpose="test",
            indices=torch.arange(3, device=device),
        )
        return torch.stack(list(found.values())).cpu()

    torch.testing.assert_close(penalty(DEVICE), penalty("cpu"), rtol=1e-4, atol=1e-7)
