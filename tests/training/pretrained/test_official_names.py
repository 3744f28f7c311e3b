# SPDX-License-Identifier: Apache-2.0
"""The published names and shapes, written down from the table of the published state dicts, against ours."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from dnnlib.config_paths import replace
from tests.training.golden import INIT, RENDERING
from tests.training.small import CONFIG, small_critic, small_generator
from training.builder import build_critic, build_generator
from training.model_config import CriticConfig
from training.pretrained.official_config import EG3D, PANOHEAD, Family, critic_config, generator_config
from training.pretrained.official_names import (
    from_official,
    is_constant,
    official_constants,
    official_names,
    to_official,
)

Shapes = dict[str, tuple[int, ...]]
FILTER = {"resample_filter": (4, 4)}


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {f"{prefix}.{name}": shape for name, shape in shapes.items()}


def affine(inputs: int) -> Shapes:
    return {"affine.weight": (inputs, 512), "affine.bias": (inputs,)}


def styled(inputs: int, outputs: int, size: int) -> Shapes:
    own = {"weight": (outputs, inputs, 3, 3), "noise_strength": (), "bias": (outputs,), "noise_const": (size, size)}
    return own | FILTER | affine(inputs)


def colours(inputs: int, outputs: int) -> Shapes:
    return {"weight": (outputs, inputs, 1, 1), "bias": (outputs,)} | affine(inputs)


def block(inputs: int | None, width: int, image: int, size: int) -> Shapes:
    first = {"const": (width, 4, 4)} if inputs is None else under("conv0", styled(inputs, width, size))
    return FILTER | first | under("conv1", styled(width, width, size)) | under("torgb", colours(width, image))


def synthesis(widths: dict[int, int], image: int) -> Shapes:
    before = [None, *widths.values()]
    blocks = [
        under(f"b{size}", block(inputs, width, image, size))
        for inputs, (size, width) in zip(before, widths.items(), strict=False)
    ]
    return {name: shape for part in blocks for name, shape in part.items()}


def mapping(inputs: int, width: int, num_layers: int) -> Shapes:
    shapes: Shapes = {"embed.weight": (width, 25), "embed.bias": (width,)}
    for i in range(num_layers):
        shapes |= {f"fc{i}.weight": (width, inputs if i == 0 else width), f"fc{i}.bias": (width,)}
    return shapes


def published_generator(depth: int, is_panohead: bool, sr: tuple[int, int, int, int, bool]) -> Shapes:
    """`sr` is the two widths, the two sizes, and whether the module keeps a filter of its own."""
    wide, narrow, size0, size1, keeps_filter = sr
    planes = {4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128}
    behind = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256} | ({} if size1 == 128 else {128: 128})
    superresolution = under("block0", block(32, wide, 3, size0)) | under("block1", block(wide, narrow, 3, size1))
    shapes = (
        under("backbone.synthesis", synthesis(planes, 96 * depth))
        | under("backbone.mapping", mapping(1024, 512, 2) | {"w_avg": (512,)})
        | under("superresolution", superresolution | (FILTER if keeps_filter else {}))
        | {"decoder.net.0.weight": (64, 32), "decoder.net.0.bias": (64,)}
        | {"decoder.net.2.weight": (33, 64), "decoder.net.2.bias": (33,)}
    )
    if is_panohead:
        shapes |= (
            under("torgb", colours(32, 3))
            | under("bcg_synthesis", synthesis(behind, 32))
            | under("t_mapping", mapping(515, 3, 2) | {"w_avg": (3,)})
        )
    return shapes


def published_tower(prefix: str, largest: int, channels: int) -> Shapes:
    shapes: Shapes = {}
    for size in (2**i for i in range(largest.bit_length() - 1, 2, -1)):
        width, after = min(32768 // size, 512), min(65536 // size, 512)
        parts = {"conv0": (width, width, 3, 3), "conv1": (after, width, 3, 3), "skip": (after, width, 1, 1)}
        if size == largest:
            parts["fromrgb"] = (width, channels, 1, 1)
        own: Shapes = dict(FILTER)
        for name, shape in parts.items():
            own |= under(name, {"weight": shape} | FILTER | ({} if name == "skip" else {"bias": shape[:1]}))
        shapes |= under(f"{prefix}{size}", own)
    return shapes


def published_critic(channels: int, mask_tower: bool) -> Shapes:
    epilogue = under("conv", {"weight": (512, 513, 3, 3), "bias": (512,)} | FILTER)
    epilogue |= {"fc.weight": (512, 8192), "fc.bias": (512,), "out.weight": (512, 512), "out.bias": (512,)}
    shapes = FILTER | published_tower("b", 512, channels) | under("b4", epilogue)
    shapes |= under("mapping", mapping(512, 512, 8))
    return shapes | (published_tower("sb", 128, 1) if mask_tower else {})


def shapes_of(module: nn.Module) -> Shapes:
    tensors = to_official(module) | official_constants(module)
    assert len(tensors) == len(to_official(module)) + len(official_constants(module))
    return {name: tuple(value.shape) for name, value in tensors.items()}


SR = {
    "SuperresolutionHybrid8XDC": (512, (256, 128, 256, 512, False)),
    "SuperresolutionHybrid8X": (512, (128, 64, 256, 512, True)),
    "SuperresolutionHybrid4X": (256, (128, 64, 128, 256, True)),
    "SuperresolutionHybrid2X": (128, (128, 64, 64, 128, True)),
    "SuperresolutionHybridDeepfp32": (256, (128, 64, 128, 256, True)),
}


@pytest.mark.parametrize(
    ("family", "depth", "name", "count"),
    [
        (PANOHEAD, 3, "SuperresolutionHybrid8XDC", 295),
        (PANOHEAD, 1, "SuperresolutionHybrid8XDC", 295),
        (PANOHEAD, 3, "SuperresolutionHybrid8X", 296),
        (PANOHEAD, 3, "SuperresolutionHybrid4X", 296),
        (PANOHEAD, 3, "SuperresolutionHybridDeepfp32", 296),
        (PANOHEAD, 3, "SuperresolutionHybrid2X", 277),
        (EG3D, 1, "SuperresolutionHybrid8XDC", 176),
    ],
)
def test_generators_have_all_published_names_and_shapes_and_no_other(
    family: Family, depth: int, name: str, count: int
) -> None:
    resolution, sr = SR[name]
    rendering = RENDERING | {"superresolution_module": f"training.superresolution.{name}", "triplane_depth": depth}
    with torch.device("meta"):
        G = build_generator(generator_config(INIT | {"img_resolution": resolution}, rendering, family, 64))
    wanted = published_generator(depth, family is PANOHEAD, sr)
    assert len(wanted) == count
    assert shapes_of(G) == wanted


@pytest.mark.parametrize(
    ("name", "channels", "mask_tower", "count"),
    [
        ("MaskDualDiscriminatorV2", 7, False, 92),
        ("DualDiscriminator", 6, False, 92),
        ("MaskDualDiscriminator", 6, True, 140),
        ("SingleDiscriminator", 3, False, 92),
    ],
)
def test_critics_have_all_published_names_and_shapes_and_no_other(
    name: str, channels: int, mask_tower: bool, count: int
) -> None:
    with torch.device("meta"):
        D = build_critic(critic_config(name, {}), resolution=512)
    wanted = published_critic(channels, mask_tower)
    assert len(wanted) == count
    assert shapes_of(D) == wanted


MODULES = {
    "panohead": small_generator,
    "flat": lambda: small_generator(replace(CONFIG, **{"field.depth": 1})),
    "plain": lambda: small_generator(replace(CONFIG, background=False, raw="features", shift=None)),
    "critic": small_critic,
    "two towers": lambda: small_critic(
        CriticConfig(channel_base=128, channel_max=16, mask_tower=True, mask_tower_resolution=16)
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_way_there_and_back_changes_nothing(name: str) -> None:
    module = MODULES[name]()
    official = to_official(module) | official_constants(module) | {"dataset_label_std": torch.ones(25)}
    again = from_official(module, official)
    own = module.state_dict()
    assert again.keys() == own.keys()
    assert all(torch.equal(again[key], value) for key, value in own.items())
    assert len(official_names(module)) == len(own)


def test_planes_there_are_by_plane_then_feature_then_depth() -> None:
    module = small_generator()
    ours = module.field.synthesis.blocks[1].to_image
    theirs = to_official(module)
    for plane, feature, depth in itertools.product(range(3), range(8), range(3)):
        channel_there, channel_here = (plane * 8 + feature) * 3 + depth, (plane * 3 + depth) * 8 + feature
        for kind in ("weight", "bias"):
            there = theirs[f"backbone.synthesis.b8.torgb.{kind}"][channel_there]
            assert torch.equal(there, getattr(ours, kind)[channel_here])


def test_only_planes_are_reordered() -> None:
    module = small_generator()
    theirs, ours = to_official(module), module.state_dict()
    moved = {
        name for theirs_name, name in official_names(module).items() if not torch.equal(theirs[theirs_name], ours[name])
    }
    assert moved == {f"field.synthesis.blocks.{i}.to_image.{kind}" for i in range(3) for kind in ("weight", "bias")}


def test_constants_are_those_of_published_files() -> None:
    constants = official_constants(small_generator())
    assert all(is_constant(name) for name in constants)
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 64
    for value in constants.values():
        assert torch.allclose(value, torch.stack([row, 3 * row, 3 * row, row]))


def test_what_has_no_published_name_is_told() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pose = nn.Linear(2, 2)

    with pytest.raises(KeyError, match=r"pose.weight has no published name"):
        official_names(Other())


def test_published_tensors_that_are_not_ours_keep_their_names() -> None:
    # So that loading can name them.
    tensors: dict[str, Tensor] = to_official(small_generator()) | {"backbone.extra.weight": torch.zeros(1)}
    assert "backbone.extra.weight" in from_official(small_generator(), tensors)
