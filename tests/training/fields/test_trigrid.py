# SPDX-License-Identifier: Apache-2.0
"""The tri-grid field: the order of its planes, what it says of points, and what of them a picture shows."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from torch_utils.ops.trigrid_decode import HIDDEN_DENSITY, decoded
from training.fields.base import FieldSamples
from training.fields.decoder import Decoder
from training.fields.trigrid import TriGridField
from training.networks.noise import ConstantNoise, NoNoise
from training.networks.synthesis import SynthesisNetwork

FEATURES = 4


def field(depth: int = 3, **changes: object) -> TriGridField:
    torch.manual_seed(0)
    synthesis = SynthesisNetwork(8, 3 * depth * FEATURES, name="planes", w_dim=5, channel_base=32, channel_max=8)
    decoder = Decoder(FEATURES, 6, hidden=8, colour_act="none", lr_multiplier=1.0)
    settings = {"box_size": 1.0, "axes": "xy_xz_yz", "planar": False, "noise": True, "crop_margin": 0.1, "dtype": None}
    return TriGridField(synthesis, decoder, depth=depth, num_channels=6, **(settings | changes))


def said(decoder: Decoder, features: Tensor) -> FieldSamples:
    density, colours = decoded(features, *decoder.layers(features.dtype))
    return FieldSamples(density, decoder.activated(colours))


def sampled_by_hand(planes: Tensor, point: Tensor, box_size: float, third: tuple[int, int, int]) -> Tensor:
    """Mean of the three planes at one point; [3, D, F, H, W] with axes (width, height, depth) of each plane."""
    total = torch.zeros(planes.shape[2])
    for plane, axes in zip(planes, ((0, 1, 2), (0, 2, 1), third), strict=True):
        depth, _, height, width = plane.shape
        sizes = (width, height, depth)
        # In texels; the centres are at whole numbers.
        at = [((point[a] * 2 / box_size + 1) * size - 1).item() / 2 for a, size in zip(axes, sizes, strict=True)]
        for w, h, d in itertools.product(range(width), range(height), range(depth)):
            weight = 1.0
            for texel, place in zip((w, h, d), at, strict=True):
                weight *= max(1 - abs(texel - place), 0.0)
            total += weight * plane[d, :, h, w]
    return total / 3


def test_planes_without_noise_are_those_of_layers_without_noise() -> None:
    module = field(noise=False)
    for block in module.synthesis.blocks:
        block.conv1.noise_strength.data.fill_(0.5)
    ws = torch.randn(2, module.synthesis.num_ws, 5)
    planes = module.prepare({"ws": ws}, ConstantNoise())
    assert torch.equal(planes.flatten(1, 3), module.synthesis(ws, NoNoise()).flatten(1, 1))
    module.noise = True
    assert not torch.allclose(planes, module.prepare({"ws": ws}, ConstantNoise()))


def test_planes_are_the_channels_of_the_network_by_plane_then_depth_then_feature() -> None:
    module = field(depth=2)
    ws = torch.randn(2, module.synthesis.num_ws, 5)
    flat = module.synthesis(ws, ConstantNoise())
    planes = module.prepare({"ws": ws}, ConstantNoise())
    assert planes.shape == (2, 3, 2, FEATURES, 8, 8)
    for plane, depth, feature in itertools.product(range(3), range(2), range(FEATURES)):
        channel = (plane * 2 + depth) * FEATURES + feature
        assert torch.equal(planes[:, plane, depth, feature], flat[:, channel])


@pytest.mark.parametrize(("axes", "third"), [("xy_xz_yz", (1, 2, 0)), ("xy_xz_zx", (2, 0, 1))])
@pytest.mark.parametrize("depth", [1, 3])
def test_what_it_says_of_a_point_is_what_its_planes_hold_there(
    depth: int, axes: str, third: tuple[int, int, int]
) -> None:
    module = field(depth, axes=axes, box_size=1.5)
    planes = torch.randn(1, 3, depth, FEATURES, 8, 8)
    points = torch.tensor([[[0.1, -0.2, 0.3], [0.7, 0.05, -0.6], [-0.74, 0.74, 0.0], [0.9, 0.0, 0.0]]])
    by_hand = torch.stack([sampled_by_hand(planes[0], point, 1.5, third) for point in points[0]])
    density, features = module.query(planes, points)
    wanted = said(module.decoder, by_hand[None])
    assert torch.allclose(density, wanted.density, atol=1e-5)
    assert torch.allclose(features, wanted.features, atol=1e-5)


def test_one_flat_plane_does_not_fade_along_its_depth() -> None:
    flat, fading = field(1, planar=True), field(1)
    fading.load_state_dict(flat.state_dict())
    planes = torch.zeros(1, 3, 1, FEATURES, 8, 8)
    planes[:, 0] = torch.randn(FEATURES, 1, 1)  # Only the plane of x and y, the same everywhere.
    points = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.25], [0.0, 0.0, 0.5]]])
    wanted = planes[0, 0, 0, :, 0, 0] / 3
    shares = torch.tensor([1.0, 0.75, 0.5])
    assert torch.allclose(flat.query(planes, points).density, said(flat.decoder, wanted.expand(1, 3, -1)).density)
    faded = said(fading.decoder, wanted * shares[None, :, None]).density
    assert torch.allclose(fading.query(planes, points).density, faded, atol=1e-6)


def test_outside_the_box_nothing_is_stored() -> None:
    module = field()
    points = torch.tensor([[[0.8, 0.9, 0.7], [-3.0, 5.0, 2.0]]])
    density = module.query(torch.randn(1, 3, 3, FEATURES, 8, 8), points).density
    assert torch.allclose(density, said(module.decoder, torch.zeros(1, 2, FEATURES)).density)


def test_pictures_leave_out_the_side_walls_but_neither_top_nor_bottom() -> None:
    module = field(box_size=1.0, crop_margin=0.1)
    places = [
        ((0.0, 0.0, 0.0), True),
        ((0.399, 0.0, -0.399), True),
        ((0.401, 0.0, 0.0), False),
        ((-0.401, 0.0, 0.0), False),
        ((0.0, 0.0, 0.401), False),
        ((0.0, 0.0, -0.401), False),
        ((0.0, 0.499, 0.0), True),
        ((0.0, -9.0, 0.0), True),
    ]
    points = torch.tensor([place for place, _ in places])
    assert module.visible(points).tolist() == [shown for _, shown in places]
    assert module.visible(points.view(2, 4, 1, 3)).shape == (2, 4, 1)
    wide = field(box_size=2.0, crop_margin=0.3)
    assert wide.visible(torch.tensor([[0.69, 0.0, 0.0], [0.71, 0.0, 0.0]])).tolist() == [True, False]


def test_without_a_margin_everything_is_shown() -> None:
    assert field(crop_margin=None).visible(torch.randn(5, 3)) is None


def test_points_that_pictures_leave_out_are_answered_all_the_same() -> None:
    planes = torch.randn(1, 3, 3, FEATURES, 8, 8)
    point = torch.tensor([[[0.45, 0.0, 0.0]]])
    assert not field().visible(point).any()
    assert torch.equal(field().query(planes, point).density, field(crop_margin=None).query(planes, point).density)


def test_points_that_are_not_seen_are_empty() -> None:
    module, planes, points = field(), torch.randn(2, 3, 3, FEATURES, 8, 8), torch.rand(2, 9, 3) - 0.5
    seen = torch.rand(2, 9) < 0.5
    some, everywhere = module.query(planes, points, seen), module.query(planes, points)
    assert torch.allclose(some.density, torch.where(seen, everywhere.density, HIDDEN_DENSITY))
    assert torch.allclose(some.features, torch.where(seen[..., None], everywhere.features, 0.0))


def test_answers_do_not_depend_on_the_memory_layout_of_planes() -> None:
    module = field()
    planes, points = torch.randn(2, 3, 3, FEATURES, 8, 8), torch.rand(2, 9, 3) - 0.5
    innermost = planes.permute(0, 4, 5, 1, 2, 3).contiguous().permute(0, 3, 4, 5, 1, 2)
    assert innermost.stride() != planes.stride()
    assert torch.allclose(module.query(planes, points).density, module.query(innermost, points).density, atol=1e-6)


def test_a_field_keeps_nothing_between_calls() -> None:
    module = field()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    known = set(vars(module))
    ws = torch.randn(1, module.synthesis.num_ws, 5)
    F.softplus(module.query(module.prepare({"ws": ws}, ConstantNoise()), torch.zeros(1, 1, 3)).density)
    assert set(vars(module)) == known
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_planes_are_kept_in_half_precision_where_no_gradient_goes_into_them() -> None:
    module = field(dtype=torch.bfloat16).eval()
    codes = {"ws": torch.randn(1, module.synthesis.num_ws, 5)}
    trained = module.prepare(codes, NoNoise())
    with torch.no_grad():
        kept = module.prepare(codes, NoNoise())
        # The critic's pictures are those that the generator learns from.
        assert torch.equal(module.train().prepare(codes, NoNoise()), trained)
    assert trained.dtype == torch.float32
    assert kept.dtype == torch.bfloat16
    points = torch.rand(1, 20, 3) - 0.5
    for half, whole in zip(module.query(kept, points), module.query(trained, points), strict=True):
        assert half.dtype == torch.float32
        assert torch.allclose(half, whole, atol=0.02)
        assert not torch.equal(half, whole)
