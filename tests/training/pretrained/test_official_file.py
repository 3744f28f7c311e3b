# SPDX-License-Identifier: Apache-2.0
"""Snapshots of the published structure, made from tensors that our own modules name and order as published."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.torch_utils.legacy_snapshots import EasyDict, Persistent, write_snapshot
from tests.training.golden import INIT, RENDERING
from tests.training.small import codes, labels
from torch_utils.checkpoint import CheckpointError
from training.builder import build_critic, build_generator
from training.pretrained import load_discriminator, load_generator
from training.pretrained.convert import convert
from training.pretrained.official_config import EG3D, PANOHEAD, Family, critic_config, generator_config
from training.pretrained.official_names import official_constants, to_official

SMALL = {"img_resolution": 128, "z_dim": 16, "w_dim": 24, "channel_base": 512, "channel_max": 16, "sr_num_fp16_res": 0}
SR = "training.superresolution.SuperresolutionHybrid2X"
CRITIC = {
    "c_dim": 25,
    "img_resolution": 128,
    "img_channels": 3,
    "channel_base": 512,
    "channel_max": 16,
    "epilogue_kwargs": {"mbstd_group_size": 2},
}
AXES = {
    "xy_xz_yz": [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    ],
    "xy_xz_zx": [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
    ],
}


class Part(Persistent):
    """A module of the file, grown from dotted names."""

    def plant(self, name: str, value: Tensor) -> None:
        head, _, rest = name.partition(".")
        if rest:
            if head not in self._modules:
                self.add_module(head, Part())
            self._modules[head].plant(rest, value)
        elif head in ("resample_filter", "noise_const", "w_avg", "dataset_label_std"):
            self.register_buffer(head, value)
        else:
            self.register_parameter(head, torch.nn.Parameter(value))


class TriPlaneGenerator(Part):
    pass


class ImportanceRenderer(Part):
    """PanoHead's renderer comes with its source."""


class MaskDualDiscriminatorV2(Part):
    pass


def rendering_of(family: Family) -> dict[str, Any]:
    settings = {"superresolution_module": SR, "depth_resolution": 8, "depth_resolution_importance": 8}
    rendering = RENDERING | settings | {"triplane_size": 32, "triplane_depth": 2}
    if family.rescaled:
        for key in ("triplane_size", "triplane_depth", "use_torgb_raw", "use_background", "decoder_activation"):
            rendering.pop(key)
    return rendering


def official_parts(family: Family) -> tuple[TriPlaneGenerator, MaskDualDiscriminatorV2, Any]:
    """The two modules of a file, and our generator with the same weights."""
    torch.manual_seed(0)
    init, rendering = INIT | SMALL, rendering_of(family)
    # The live settings differ from those at construction, and it is they that count.
    ours = build_generator(generator_config(init, rendering | {"ray_start": 2.3}, family, 32)).eval()
    G = TriPlaneGenerator(**init, rendering_kwargs=EasyDict(rendering))
    for name, value in (to_official(ours) | official_constants(ours)).items():
        G.plant(name, value.clone())
    G.plant("dataset_label_std", torch.ones(25))
    G.rendering_kwargs = EasyDict(rendering | {"ray_start": 2.3})
    G.neural_rendering_resolution = 32
    G.add_module("renderer", ImportanceRenderer() if family is PANOHEAD else Part())
    G.renderer.plane_axes = torch.tensor(AXES[family.axes], dtype=torch.float32)
    critic = build_critic(critic_config("MaskDualDiscriminatorV2", CRITIC), resolution=128)
    D = MaskDualDiscriminatorV2(**CRITIC)
    for name, value in (to_official(critic) | official_constants(critic)).items():
        D.plant(name, value.clone())
    return G, D, ours


def written(path: Path, trace: Path, *, comment: str = "triplane_crop=0.1", **entries: Any) -> Path:
    snapshot = {"training_set_kwargs": None, "G": None, "D": None, "G_ema": None, "augment_pipe": None}
    write_snapshot(path, 4, trace, snapshot | entries, comment)
    return path


@pytest.mark.parametrize("filling", ["", "x" * 10_000])
def test_the_crop_is_that_of_the_renderer_in_the_file(tmp_path: Path, filling: str) -> None:
    G, _, _ = official_parts(PANOHEAD)
    crops = [
        load_generator(written(tmp_path / "n.pkl", tmp_path / "t", comment=filling + comment, G_ema=G)).config.field
        for comment in ("triplane_crop = 0.1", "nothing")
    ]
    assert [field.crop_margin for field in crops] == [0.1, None]


@pytest.mark.parametrize("family", [PANOHEAD, EG3D], ids=["panohead", "eg3d"])
def test_a_snapshot_loads_and_converts_both_ways(tmp_path: Path, family: Family) -> None:
    G, D, ours = official_parts(family)
    file = written(tmp_path / "network.pkl", tmp_path / "trace", G_ema=G, D=D)
    loaded = load_generator(file)
    assert loaded.config == ours.config
    assert loaded.config.renderer.near == 2.3
    z, c = codes(1, 16), labels(0.5)
    with torch.no_grad():
        expected, found = ours(z, c), loaded(z, c)
    assert all(torch.equal(expected[key], found[key]) for key in expected)

    convert(file, tmp_path / "network.safetensors")
    convert(tmp_path / "network.safetensors", tmp_path / "network.pt")
    plain = torch.load(tmp_path / "network.pt", weights_only=True)
    assert plain["G_ema"].keys() == {name for name in G.state_dict() if name != "dataset_label_std"}
    assert all(
        torch.equal(plain["G_ema"][name], value) for name, value in G.state_dict().items() if name in plain["G_ema"]
    )
    assert plain["D"].keys() == D.state_dict().keys()
    convert(tmp_path / "network.pt", tmp_path / "again.safetensors")
    with torch.no_grad():
        again = load_generator(tmp_path / "again.safetensors")(z, c)
    assert all(torch.equal(expected[key], again[key]) for key in expected)
    assert load_discriminator(tmp_path / "again.safetensors").img_resolution == 128
    assert not (tmp_path / "trace").exists()


def test_planes_that_a_fork_has_mended_are_honoured(tmp_path: Path) -> None:
    G, _, _ = official_parts(EG3D)
    G.renderer.plane_axes = torch.tensor(AXES["xy_xz_yz"], dtype=torch.float32)
    assert load_generator(written(tmp_path / "n.pkl", tmp_path / "t", G_ema=G)).config.field.axes == "xy_xz_yz"
    G.renderer.plane_axes = torch.zeros(3, 3, 3)
    with pytest.raises(CheckpointError, match="its planes span axes"):
        load_generator(written(tmp_path / "n.pkl", tmp_path / "t", G_ema=G))


def test_entries_may_be_absent_and_the_averaged_generator_wins(tmp_path: Path) -> None:
    G, D, _ = official_parts(PANOHEAD)
    plain, _, _ = official_parts(PANOHEAD)
    with torch.no_grad():
        plain.decoder.net._modules["0"].bias += 1
    both = written(tmp_path / "both.pkl", tmp_path / "t", G=plain, G_ema=G)
    assert torch.equal(load_generator(both).field.decoder.hidden.bias, G.decoder.net._modules["0"].bias)
    only = written(tmp_path / "only.pkl", tmp_path / "t", G=plain)
    assert torch.equal(load_generator(only).field.decoder.hidden.bias, plain.decoder.net._modules["0"].bias)
    with pytest.raises(CheckpointError, match="holds no discriminator, only G"):
        load_discriminator(only)
    with pytest.raises(CheckpointError, match="holds no generator, only D"):
        load_generator(written(tmp_path / "d.pkl", tmp_path / "t", D=D))
    with pytest.raises(CheckpointError, match="all absent or empty"):
        load_generator(written(tmp_path / "none.pkl", tmp_path / "t"))


def test_weights_of_another_architecture_are_told_by_name(tmp_path: Path) -> None:
    G, _, _ = official_parts(PANOHEAD)
    G.decoder.net._modules["0"].weight = torch.nn.Parameter(torch.zeros(7, 32))
    del G.backbone.mapping._modules["fc1"]
    with pytest.raises(CheckpointError, match=r"(?s)fc1|layers\.1\.weight: missing.*\[7, 32\] given"):
        load_generator(written(tmp_path / "n.pkl", tmp_path / "t", G_ema=G))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"superresolution_module": "mine.Better"}, "asks for the super-resolution mine.Better"),
        ({"depth_resolution": "many"}, "depth_resolution|num_coarse|whole number"),
        ({"box_warp": -1.0}, "box_size"),
    ],
)
def test_settings_that_no_published_model_has_are_told(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    G, _, _ = official_parts(PANOHEAD)
    G.rendering_kwargs = EasyDict(G.rendering_kwargs | change)
    with pytest.raises(CheckpointError, match=message):
        load_generator(written(tmp_path / "n.pkl", tmp_path / "t", G_ema=G))


def test_a_pickle_of_something_else_is_told(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "list.pkl", 4, tmp_path / "t", [1, 2, 3])
    with pytest.raises(CheckpointError, match="not of a snapshot"):
        load_generator(tmp_path / "list.pkl")
    G, _, _ = official_parts(PANOHEAD)
    G._init_kwargs = {"z_dim": 4}
    with pytest.raises(CheckpointError, match="settings are not those of a PanoHead or an EG3D"):
        load_generator(written(tmp_path / "n.pkl", tmp_path / "t", G_ema=G))
