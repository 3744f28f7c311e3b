# SPDX-License-Identifier: Apache-2.0
"""The yardstick computes what we compute."""

import pytest
import torch

from benchmarks.plain_path import plain_path
from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_critic, small_generator


@pytest.mark.parametrize("changes", [{}, {"field.depth": 1, "field.axes": "xy_xz_zx", "renderer.bins": "published"}])
@pytest.mark.parametrize("batch", [1, 3])
def test_pictures_are_the_same(changes: dict, batch: int) -> None:
    G = small_generator(replace(CONFIG, **changes))
    z, c = codes(batch), labels(*torch.linspace(0, 3, batch).tolist())
    with torch.no_grad():
        ours = G(z, c)
        with plain_path():
            plain = G(z, c)
    for kind in ("image", "image_raw", "image_mask"):
        assert torch.allclose(plain[kind], ours[kind], atol=1e-4), kind
    seen = ours["image_mask"] > 0.05
    assert torch.allclose(plain["image_depth"][seen], ours["image_depth"][seen], atol=1e-4)


def test_gradients_of_the_generator_are_the_same() -> None:
    G, c = small_generator(), labels(0.3, 2.0)

    def gradients() -> list[torch.Tensor]:
        G.zero_grad()
        G(codes(2), c)["image"].square().sum().backward()
        return [parameter.grad.clone() for parameter in G.parameters() if parameter.grad is not None]

    ours = gradients()
    with plain_path():
        plain = gradients()
    assert len(plain) == len(ours)
    for a, b in zip(plain, ours, strict=True):
        assert torch.allclose(a, b, atol=1e-3 * float(b.abs().max()) + 1e-5)


def test_the_critic_and_its_second_order_are_the_same() -> None:
    D, c = small_critic(), labels(0.1, 2.0, 3.0, 1.0)
    pictures = {
        "image": torch.randn(4, 3, 32, 32),
        "image_raw": torch.randn(4, 3, 8, 8),
        "image_mask": torch.rand(4, 1, 8, 8),
    }

    def slopes() -> tuple[torch.Tensor, torch.Tensor]:
        leaf = pictures["image"].clone().requires_grad_()
        (slope,) = torch.autograd.grad(D({**pictures, "image": leaf}, c).sum(), leaf, create_graph=True)
        D.zero_grad()
        slope.square().sum().backward()
        return slope.detach(), next(D.parameters()).grad.clone()

    ours = slopes()
    with plain_path():
        plain = slopes()
    for a, b in zip(plain, ours, strict=True):
        assert torch.allclose(a, b, atol=1e-3 * float(b.abs().max()) + 1e-6)


def test_afterwards_everything_is_as_before() -> None:
    G, c = small_generator(), labels(0.3)
    with torch.no_grad():
        before = G(codes(1), c)["image"]
        with plain_path():
            G(codes(1), c)
        assert torch.equal(G(codes(1), c)["image"], before)
