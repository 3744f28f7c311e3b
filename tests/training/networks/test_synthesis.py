# SPDX-License-Identifier: Apache-2.0
"""Which style reaches which layer, and how the pictures of blocks add up."""

import pytest
import torch
from torch import Tensor, nn

from torch_utils.ops.fir_resample import filter_taps, upsample
from training.networks.modulated import StyledConv, ToImage
from training.networks.noise import AbstractNoise, ConstantNoise
from training.networks.synthesis import Block, SynthesisNetwork, channels_at


def network(resolution: int = 32, **changes: object) -> SynthesisNetwork:
    torch.manual_seed(0)
    settings = {"name": "net", "w_dim": 4, "channel_base": 64, "channel_max": 8}
    return SynthesisNetwork(resolution, 3, **(settings | changes))


def layers(net: SynthesisNetwork) -> dict[str, nn.Module]:
    """In the order in which they compute."""
    found = {name: part for name, part in net.named_modules() if isinstance(part, StyledConv | ToImage)}
    return dict(sorted(found.items()))  # blocks.<i>.conv0, .conv1, .to_image


def outputs(net: SynthesisNetwork, ws: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda _module, _inputs, y, name=name: seen.update({name: y}))
        for name, layer in layers(net).items()
    ]
    net(ws, ConstantNoise())
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize(("resolution", "num_ws"), [(4, 2), (8, 4), (64, 10), (128, 12), (256, 14)])
def test_there_is_a_style_for_every_convolution_and_the_last_picture(resolution: int, num_ws: int) -> None:
    net = network(resolution)
    assert net.num_ws == num_ws
    assert sum(isinstance(layer, StyledConv) for layer in layers(net).values()) + 1 == num_ws


@torch.no_grad()
def test_each_style_reaches_the_layers_that_it_should() -> None:
    net = network()
    torch.manual_seed(1)
    ws = torch.randn(1, net.num_ws, 4)
    wanted = {"blocks.0.conv1": 0, "blocks.0.to_image": 1}
    for block in range(1, 4):
        first = 2 * block - 1
        wanted |= {f"blocks.{block}.conv0": first, f"blocks.{block}.conv1": first + 1}
        wanted |= {f"blocks.{block}.to_image": first + 2}
    before = outputs(net, ws)
    assert list(before) == list(wanted)
    depths = [int(name.split(".")[1]) for name in wanted]
    for i in range(net.num_ws):
        changed = ws.clone()
        changed[:, i] += 1.0
        after = outputs(net, changed)
        direct = {name for name, style in wanted.items() if style == i}
        differs = {name for name in wanted if not torch.equal(before[name], after[name])}
        # A convolution passes its change on to all that follow; a picture is read by no layer.
        convs = [list(wanted).index(name) for name in direct if "conv" in name]
        follow = {name for j, name in enumerate(wanted) if convs and j >= min(convs)}
        assert differs == direct | follow, (i, depths)


def test_the_picture_is_the_sum_of_the_enlarged_pictures_of_blocks() -> None:
    net = network()
    ws = torch.randn(2, net.num_ws, 4)
    parts = [y for name, y in outputs(net, ws).items() if name.endswith("to_image")]
    picture = parts[0]
    for part in parts[1:]:
        picture = upsample(picture, filter_taps()) + part
    assert torch.allclose(net(ws, ConstantNoise()), picture, atol=1e-5)


def test_every_convolution_asks_for_noise_of_its_own_and_of_its_size() -> None:
    asked: dict[str, int] = {}

    class Recording(AbstractNoise):
        def __call__(self, layer: str, kept: Tensor) -> None:
            assert layer not in asked
            asked[layer] = len(kept)

    net = network(16)
    net(torch.randn(1, net.num_ws, 4), Recording())
    assert asked == {
        "net/4/conv1": 4,
        "net/8/conv0": 8,
        "net/8/conv1": 8,
        "net/16/conv0": 16,
        "net/16/conv1": 16,
    }


def test_a_block_that_does_not_enlarge_adds_to_the_picture_as_it_is() -> None:
    block = Block(6, 5, 3, name="block", w_dim=4, resolution=8, up=1)
    x, image, ws = torch.randn(2, 6, 8, 8), torch.randn(2, 3, 8, 8), torch.randn(2, 3, 4)
    kept = image.clone()
    _, with_image = block(x, image, ws, ConstantNoise())
    _, alone = block(x, None, ws, ConstantNoise())
    assert torch.allclose(with_image, alone + image, atol=1e-6)
    assert torch.equal(image, kept)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_for_convolutions_and_pictures_stay_in_float32(dtype: torch.dtype) -> None:
    half, full = network(dtype=dtype, clamp=256.0), network()
    ws = torch.randn(2, half.num_ws, 4)
    seen = outputs(half, ws)
    assert {y.dtype for name, y in seen.items() if "conv" in name} == {dtype}
    assert {y.dtype for name, y in seen.items() if "to_image" in name} == {torch.float32}
    a, b = half(ws, ConstantNoise()), full(ws, ConstantNoise())
    assert (a - b).abs().max() < 0.05 * b.abs().max()


@pytest.mark.parametrize(
    ("resolution", "base", "limit", "width"),
    [(4, 32768, 512, 512), (128, 32768, 512, 256), (256, 32768, 512, 128), (256, 128, 512, 1), (64, 64, 8, 1)],
)
def test_widths_halve_with_the_size(resolution: int, base: int, limit: int, width: int) -> None:
    assert channels_at(resolution, base, limit) == width


@pytest.mark.parametrize("resolution", [0, 2, 6, 96])
def test_a_size_that_cannot_be_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match=f"4, 8, 16, .* not {resolution}"):
        network(resolution)
