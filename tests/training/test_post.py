# SPDX-License-Identifier: Apache-2.0
"""Backgrounds, the colours of features, and which styles go where."""

import pytest
import torch

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_generator
from training.networks.noise import AbstractNoise, ConstantNoise, FreshNoise, NoNoise
from training.post import ImagePost, fit_styles
from training.types import Codes

HEAD, OPACITY = torch.rand(2, 8, 16, 16), torch.full((2, 1, 16, 16), 0.25)


def post(**changes: object) -> tuple[ImagePost, torch.Tensor]:
    G = small_generator(replace(CONFIG, **changes))
    return G.post, G.mapping(codes(2), labels(0.3, 1.0))


def shown(
    module: ImagePost, head: torch.Tensor, opacity: torch.Tensor, codes: Codes, noise: AbstractNoise
) -> tuple[torch.Tensor, torch.Tensor]:
    return module(head, opacity, module.backdrop(codes, noise), codes, noise)


@pytest.mark.parametrize(
    ("num_ws", "wanted"), [(1, [0]), (4, [0, 1, 2, 3]), (3, [0, 1, 2]), (7, [0, 1, 2, 3, 3, 3, 3])]
)
def test_styles_that_are_too_many_are_left_and_the_last_repeats(num_ws: int, wanted: list[int]) -> None:
    ws = torch.randn(2, 4, 5)
    assert torch.equal(fit_styles(ws, num_ws), ws[:, wanted])


def test_a_style_that_repeats_sums_its_gradients() -> None:
    ws = torch.randn(1, 2, 3, requires_grad=True)
    fit_styles(ws, 5).sum().backward()
    assert ws.grad[0, :, 0].tolist() == [1.0, 4.0]


@torch.no_grad()
def test_without_a_background_there_is_nothing_behind_the_head() -> None:
    plain, ws = post(background=False, raw="features")
    assert plain.background is None
    assert torch.equal(shown(plain, HEAD, OPACITY, {"ws": ws}, ConstantNoise())[1], HEAD[:, :3])


@torch.no_grad()
def test_one_background_may_stand_behind_all_pictures() -> None:
    module, ws = post(raw="features")
    other = fit_styles(ws.flip(0)[:1], 6)
    _, one = shown(module, HEAD, OPACITY, {"ws": ws, "ws_bcg": other}, ConstantNoise())
    _, each = shown(module, HEAD, OPACITY, {"ws": ws, "ws_bcg": other.expand(2, -1, -1)}, ConstantNoise())
    assert torch.allclose(one, each, atol=1e-6)


@torch.no_grad()
def test_colours_are_styled_by_the_last_style_of_the_head_not_of_the_background() -> None:
    module, ws = post()
    module.background = None
    changed = ws.clone()
    changed[:, :-1] += 1.0
    _, raw = shown(module, HEAD, OPACITY, {"ws": ws, "ws_bcg": 2 * ws}, ConstantNoise())
    assert torch.equal(raw, module.to_raw(HEAD, ws[:, -1]))
    assert torch.equal(raw, shown(module, HEAD, OPACITY, {"ws": changed}, ConstantNoise())[1])


@torch.no_grad()
def test_a_background_shrinks_to_the_rendered_size() -> None:
    module, ws = post(raw="features")
    small = HEAD[..., ::2, ::2]
    _, raw = shown(module, small, OPACITY[..., ::2, ::2], {"ws": ws}, ConstantNoise())
    behind = module.background(fit_styles(ws, module.background.num_ws), ConstantNoise())
    wanted = small + 0.75 * torch.nn.functional.interpolate(behind, (8, 8), mode="bilinear", antialias=True)
    assert torch.allclose(raw, wanted[:, :3], atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("noise", [False, True])
def test_noise_reaches_super_resolution_only_where_it_is_wanted(noise: bool) -> None:
    module, ws = post(background=False, **{"superresolution.noise": noise})
    for block in (module.superresolution.block0, module.superresolution.block1):
        block.conv0.noise_strength.fill_(1.0)
    images = [shown(module, HEAD, OPACITY, {"ws": ws}, FreshNoise(s, "test", torch.arange(2)))[0] for s in range(2)]
    assert torch.equal(images[0], images[1]) != noise


@torch.no_grad()
def test_the_published_raw_picture_has_the_first_block_where_sizes_allow() -> None:
    changes = {"background": False, "raw": "features"}
    plain, ws = post(**changes)
    published, _ = post(**changes, **{"superresolution.raw_after_first_block": True})
    published.load_state_dict(plain.state_dict())

    def pictures(module: ImagePost, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return shown(module, HEAD[..., ::step, ::step], OPACITY[..., ::step, ::step], {"ws": ws}, ConstantNoise())

    (image, raw), (same_image, after) = pictures(plain, 1), pictures(published, 1)
    _, first = plain.superresolution.block0(HEAD, None, ws[:, -1:].expand(-1, 3, -1), NoNoise())
    assert torch.equal(image, same_image)
    assert torch.equal(raw, HEAD[:, :3])
    assert torch.allclose(after, raw + first, atol=1e-5)
    assert first.abs().max() > 0.1
    assert torch.equal(pictures(published, 2)[1], HEAD[..., ::2, ::2][:, :3])
