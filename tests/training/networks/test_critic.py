# SPDX-License-Identifier: Apache-2.0
"""Towers, the statistic of a minibatch, and heads with and without conditions."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from torch_utils.ops.fir_resample import downsample, filter_taps
from training.networks.critic import Head, ResidualBlock, Tower, minibatch_std


def head(c_dim: int, **changes: object) -> Head:
    torch.manual_seed(0)
    return Head(6, **({"c_dim": c_dim, "embed_dim": 5, "group_size": 2} | changes))


def test_a_residual_block_is_its_definition() -> None:
    block = ResidualBlock(4, 6, image_channels=3).double()
    image = torch.randn(2, 3, 8, 8).double()
    x = F.leaky_relu(F.conv2d(image, block.from_image.weight / math.sqrt(3)), 0.2) * math.sqrt(2)
    small = downsample(x, filter_taps().double())
    skip = F.conv2d(small, block.skip.weight / math.sqrt(4)) * math.sqrt(0.5)
    main = block.conv1(block.conv0(x)) * math.sqrt(0.5)
    assert torch.allclose(block(image), skip + main, atol=1e-10)
    assert block.skip.bias is None


def test_limits_hold_for_what_layers_give_but_not_for_the_skip() -> None:
    block = ResidualBlock(4, 6, image_channels=3, clamp=1.0)
    given: dict[str, Tensor] = {}
    for name, part in block.named_children():
        part.register_forward_hook(lambda _module, _inputs, y, name=name: given.update({name: y}))
    with torch.no_grad():
        block.conv1.weight *= 100
        block.skip.weight *= 100
        block(1000 * torch.randn(2, 3, 8, 8))
    assert given["from_image"].abs().max() == 1.0
    assert given["conv0"].abs().max() == 1.0
    assert given["conv1"].abs().max().item() == pytest.approx(math.sqrt(0.5))
    assert given["skip"].abs().max() > math.sqrt(0.5)


@pytest.mark.parametrize(("resolution", "num_blocks"), [(8, 1), (16, 2), (64, 4), (512, 7)])
def test_a_tower_ends_at_four_by_four(resolution: int, num_blocks: int) -> None:
    tower = Tower(resolution, 2, channel_base=64, channel_max=8)
    assert len(tower.blocks) == num_blocks
    assert tower(torch.randn(1, 2, resolution, resolution)).shape == (1, 8, 4, 4)
    assert tower.out_channels == 8


def test_only_the_sizes_that_are_named_compute_in_half_precision() -> None:
    full = Tower(32, 2, channel_base=64, channel_max=8)
    half = Tower(32, 2, channel_base=64, channel_max=8, dtypes={32: torch.bfloat16, 16: torch.float16}, clamp=256.0)
    half.load_state_dict(full.state_dict())
    types: list[torch.dtype] = []
    for block in half.blocks:
        block.register_forward_hook(lambda _module, _inputs, y: types.append(y.dtype))
    x = torch.randn(2, 2, 32, 32)
    y = half(x)
    assert types == [torch.bfloat16, torch.float16, torch.float32]
    assert (y - full(x)).abs().max() < 0.05 * full(x).abs().max()


@pytest.mark.parametrize("resolution", [0, 4, 24])
def test_a_tower_of_another_size_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match=f"8, 16, 32, .* not {resolution}"):
        Tower(resolution, 3)


def spread_by_hand(x: Tensor, group: int) -> list[float]:
    num_groups = len(x) // group
    per_group = []
    for g in range(num_groups):
        members = x[g::num_groups]
        deviation = ((members - members.mean(0)).square().mean(0) + 1e-8).sqrt()
        per_group.append(deviation.mean().item())
    return [per_group[n % num_groups] for n in range(len(x))]


@pytest.mark.parametrize(("batch", "group"), [(4, 2), (6, 3), (4, 4), (8, 2), (3, 4), (1, 4)])
def test_the_spread_of_a_group_is_that_of_every_second_or_third_picture(batch: int, group: int) -> None:
    x = torch.randn(batch, 3, 4, 4) * torch.arange(1.0, batch + 1)[:, None, None, None]
    spread = minibatch_std(x, group)
    assert spread.shape == (batch, 1, 4, 4)
    assert torch.equal(spread, spread[..., :1, :1].expand_as(spread))
    assert spread[:, 0, 0, 0].tolist() == pytest.approx(spread_by_hand(x, min(batch, group)), rel=1e-5)


def test_pictures_that_do_not_differ_have_no_spread_and_a_finite_gradient() -> None:
    x = torch.ones(4, 3, 4, 4, requires_grad=True)
    spread = minibatch_std(x, 4)
    (gradient,) = torch.autograd.grad(spread.sum(), x, create_graph=True)
    assert torch.allclose(spread, torch.tensor(1e-4))
    assert torch.isfinite(gradient).all()
    assert torch.isfinite(torch.autograd.grad(gradient.square().sum(), x)[0]).all()


def test_a_spread_in_half_precision_does_not_overflow() -> None:
    x = torch.randn(4, 3, 4, 4)
    large = minibatch_std((1000 * x).half(), 4)
    assert large.dtype == torch.float16
    assert torch.allclose(large.float(), 1000 * minibatch_std(x, 4), rtol=2e-3)


def test_a_batch_that_makes_no_whole_groups_is_told() -> None:
    with pytest.raises(ValueError, match="6 pictures cannot be cut into groups of 4"):
        minibatch_std(torch.zeros(6, 1, 4, 4), 4)


def test_a_head_without_conditions_gives_one_number() -> None:
    x = torch.randn(4, 6, 4, 4)
    plain = head(0)
    assert plain.mapping is None
    assert plain(x, None).shape == (4, 1)
    assert torch.equal(plain(x, None), plain(x, torch.randn(4, 9)))


def test_a_head_projects_onto_the_conditions() -> None:
    conditioned = head(3).double()
    x, c = torch.randn(4, 6, 4, 4).double(), torch.randn(4, 3).double()
    seen = torch.cat([x, minibatch_std(x, 2)], dim=1)
    embedded = conditioned.mapping(None, c)
    answer = conditioned.out(conditioned.fc(conditioned.conv(seen).flatten(1)))
    scores = [(answer[i] @ embedded[i]).item() / math.sqrt(5) for i in range(4)]
    assert conditioned(x, c)[:, 0].tolist() == pytest.approx(scores)
    assert (conditioned(x, c) - conditioned(x, c.flip(0))).abs().min() > 0


def test_a_head_computes_in_float32_at_least() -> None:
    conditioned, x, c = head(3), torch.randn(4, 6, 4, 4), torch.randn(4, 3)
    score = conditioned(x.bfloat16(), c)
    assert score.dtype == torch.float32
    assert torch.allclose(score, conditioned(x, c), atol=0.1)
