# SPDX-License-Identifier: Apache-2.0
"""The critics' blur against the published numbers and against filtering tap by tap."""

import pytest
import torch
from torch import Tensor

from training.blur import blur


def picture(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def tap_by_tap(images: Tensor, sigma: float) -> Tensor:
    """The definition: every pixel is a weighted sum of those around it, zero outside."""
    radius = int(3 * sigma)
    weights = [2 ** -((j / sigma) ** 2) for j in range(-radius, radius + 1)]
    for axis in (2, 3):
        size = images.shape[axis]
        result = torch.zeros_like(images)
        for j, weight in zip(range(-radius, radius + 1), weights, strict=True):
            for i in range(size):
                if 0 <= i + j < size:
                    result.select(axis, i).add_(images.select(axis, i + j), alpha=weight / sum(weights))
        images = result
    return images


def test_the_published_numbers() -> None:
    x = torch.sin(0.37 * torch.arange(16.0) + 0.5).view(1, 1, 4, 4)
    golden = torch.tensor([0.292935, 0.309390, 0.188131, 0.064944])
    assert torch.allclose(blur(x, 1.0)[0, 0, 1], golden, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.34, 0.5, 1.0, 2.345, 10.0])
@pytest.mark.parametrize("size", [(5, 5), (12, 20)])  # Smaller than the kernel, and not square.
def test_it_is_filtering_tap_by_tap(sigma: float, size: tuple[int, int]) -> None:
    x = picture(2, 3, *size)
    assert torch.allclose(blur(x, sigma), tap_by_tap(x, sigma), atol=1e-12)


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.3333])
def test_a_kernel_that_reaches_no_neighbour_changes_nothing(sigma: float) -> None:
    x = picture(1, 1, 4, 4)
    assert torch.equal(blur(x, sigma), x)


def test_brightness_is_kept_inside_and_lost_at_the_border() -> None:
    grey = blur(torch.ones(1, 1, 64, 64), 3.0)[0, 0]
    assert torch.allclose(grey[9:-9, 9:-9], torch.ones(46, 46))
    assert 0.25 < grey[0, 0] < 0.4
    assert torch.allclose(grey[0, 9:-9], grey[0, 32])


def test_half_of_the_weight_of_the_middle_is_sigma_away() -> None:
    spot = torch.zeros(1, 1, 65, 65)
    spot[0, 0, 32, 32] = 1
    row = blur(spot, 5.0)[0, 0, 32]
    assert row[37] / row[32] == pytest.approx(0.5)
    assert row[47] > 0
    assert row[48] == 0


def test_gradients_of_first_and_second_order_are_exact() -> None:
    x = picture(1, 2, 5, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: blur(x, 1.3), x)
    assert torch.autograd.gradgradcheck(lambda x: blur(x, 1.3).square(), x)


def test_a_float16_picture_is_blurred_by_a_kernel_of_full_precision() -> None:
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.bfloat16, 0.02)):
        x = picture(1, 1, 300, 8, dtype=dtype)
        assert blur(x, 2.0).dtype == dtype
        assert torch.allclose(blur(x, 2.0).double(), blur(x.double(), 2.0), atol=tolerance)
