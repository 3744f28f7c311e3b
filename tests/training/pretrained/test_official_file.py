# SPDX-License-Identifier: Apache-2.0
"""Snapshots of the published structure are read and give what their weights give."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.torch_utils.legacy_snapshots import EasyDict, write_snapshot
from tests.training.official_snapshots import AXES, official_parts, written
from tests.training.small import codes, labels
from torch_utils.checkpoint import CheckpointError
from training.pretrained import load_discriminator, load_generator
from training.pretrained.convert import convert
from training.pretrained.official_config import EG3D, PANOHEAD, Family


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
