# SPDX-License-Identifier: Apache-2.0
"""Our file of networks: what it keeps, and files that this code cannot make sense of."""

import copy
import functools
import operator
from pathlib import Path
from typing import Any

import pytest
import torch

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_critic, small_generator
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.model_config import CriticConfig
from training.pretrained.load import load_discriminator, load_generator
from training.pretrained.network_file import load_networks, save_networks

PROVENANCE = {"code": "0.1.0", "nimg": 25_000_000, "license": "Apache-2.0"}
G, D = small_generator(), small_critic()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    averaged = copy.deepcopy(G)
    with torch.no_grad():
        averaged.field.decoder.hidden.bias += 1
    save_networks(tmp_path / "net.safetensors", {"G": G, "G_ema": averaged, "D": D}, PROVENANCE)
    return tmp_path / "net.safetensors"


def rewritten(file: Path, change: Any) -> Path:
    """The file with another header, whole as files go."""
    tensors, header = checkpoint.read(file)
    change(header)
    checkpoint.write(file, tensors, header)
    return file


@torch.no_grad()
def test_networks_come_back_and_give_the_same(file: Path) -> None:
    networks = load_networks(file)
    assert list(networks) == ["G", "G_ema", "D"]
    z, c = codes(2), labels(0.1, 2.0)
    expected, found = G(z, c), networks["G"](z, c)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert torch.equal(networks["D"](expected, c), D(expected, c))
    assert not any(network.training for network in networks.values())
    assert networks["G"].config == G.config
    assert networks["D"].config == D.config


def test_the_averaged_generator_is_the_one_to_load(file: Path) -> None:
    bias = G.field.decoder.hidden.bias
    assert torch.equal(load_generator(file).field.decoder.hidden.bias, bias + 1)
    assert torch.equal(load_generator(str(file)).field.decoder.hidden.bias, bias + 1)
    save_networks(file, {"G": G, "D": D}, {})
    assert torch.equal(load_generator(file).field.decoder.hidden.bias, bias)
    assert load_discriminator(file).img_resolution == 32


def test_loading_draws_no_random_numbers(file: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_networks(file)
    assert torch.equal(torch.rand(1), expected)


def test_the_header_says_where_the_file_comes_from(file: Path) -> None:
    header = checkpoint.read_header(file)
    assert header["provenance"] == PROVENANCE
    assert header["networks"]["G"]["config"]["mapping"]["z_dim"] == 8


@pytest.mark.parametrize(
    ("config", "c_dim"),
    [
        (replace(CONFIG, background=False, raw="features", shift=None), 25),
        (replace(CONFIG, **{"renderer.near": None, "renderer.far": None, "precision": "bf16", "clamp": 256.0}), 25),
    ],
)
def test_unusual_generators_come_back(tmp_path: Path, config: Any, c_dim: int) -> None:
    unusual = small_generator(config)
    save_networks(tmp_path / "g.safetensors", {"G": unusual}, {})
    assert load_generator(tmp_path / "g.safetensors").config == config


def test_a_critic_with_two_towers_comes_back(tmp_path: Path) -> None:
    config = CriticConfig(channel_base=128, channel_max=16, mask_tower=True, mask_tower_resolution=16)
    save_networks(tmp_path / "d.safetensors", {"D": small_critic(config)}, {})
    assert load_discriminator(tmp_path / "d.safetensors").config == config
    with pytest.raises(CheckpointError, match="holds no generator, only D"):
        load_generator(tmp_path / "d.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.update(schema_version=2), r"schema 2, newer than this code reads \(1\); update FullHead"),
        (lambda h: h.update(schema_version="one"), "schema one"),
        (lambda h: h.pop("schema_version"), "schema None"),
        (lambda h: h.update(format="resume state"), "holds no networks, but 'resume state'"),
        (lambda h: h.pop("format"), "something unknown"),
        (lambda h: h.pop("networks"), "holds no networks"),
        (lambda h: h.update(networks={}), "holds no generator, only nothing"),
        (lambda h: h["networks"]["G_ema"].update(kind="diffuser"), "network G_ema: is a 'diffuser'"),
        (lambda h: h["networks"]["G_ema"].pop("c_dim"), r"network G_ema: its description is incomplete .*c_dim"),
        (lambda h: h["networks"].update(G_ema=[]), "network G_ema: its description is incomplete"),
        (lambda h: h["networks"]["G_ema"].update(config={"mappnig": {}}), "network G_ema.*mappnig"),
        (lambda h: h["networks"]["G_ema"]["config"]["field"].update(planar=True), "network G_ema.*field.depth to 1"),
        (lambda h: h["networks"]["G_ema"]["config"].update(resolution=48), "network G_ema.*power of two"),
        (
            lambda h: h["networks"]["G_ema"]["config"]["field"].update(depth=2),
            r"another model.*to_image.weight: \[72, 16, 1, 1\] given, \[48",
        ),
        (lambda h: h["networks"].update(G2=h["networks"]["G"]), "network G2: .*missing"),
    ],
)
def test_files_that_make_no_sense_are_told(file: Path, change: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"(?s){message}"):
        load_generator(rewritten(file, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c_dim": 10**9}, "of another model"),
        ({"c_dim": 25.0}, "sizes that are none: c_dim 25.0"),
        ({"config.field.depth": 10**9}, "of another model"),
        ({"config.field.channel_max": 10**9, "config.field.channel_base": 10**12}, "of another model"),
        ({"config.mapping.z_dim": 10**30}, "cannot be built|a whole number"),
        ({"config.mapping.num_layers": 10**9}, "at most 64"),
        ({"config.resolution": 2**30, "config.superresolution.in_resolution": 2**29}, "of another model"),
    ],
)
def test_a_network_is_built_only_if_the_file_has_its_weights(file: Path, change: dict[str, Any], message: str) -> None:
    def declare(header: dict[str, Any]) -> None:
        for path, value in change.items():
            *folders, name = path.split(".")
            functools.reduce(operator.getitem, folders, header["networks"]["G_ema"])[name] = value

    rewritten(file, declare)
    with pytest.raises(CheckpointError, match=message):  # And no MemoryError, nor a process that is killed.
        load_networks(file)


def test_the_weights_of_other_networks_are_told_by_name(file: Path) -> None:
    tensors, header = checkpoint.read(file)
    del tensors["D.head.out.bias"]
    tensors["D.head.more"] = torch.zeros(2)
    checkpoint.write(file, tensors, header)
    with pytest.raises(CheckpointError, match=r"(?s)network D.*head.out.bias: missing.*head.more: not part of"):
        load_discriminator(file)


@pytest.mark.parametrize("name", ["net.onnx", "net", "net.pth"])
def test_files_of_other_kinds_are_refused_by_their_name(file: Path, name: str) -> None:
    other = file.rename(file.with_name(name))
    with pytest.raises(CheckpointError, match=r"\.safetensors, \.pkl, \.pt files"):
        load_generator(other)


def test_what_is_damaged_says_so(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-5] ^= 4
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        load_generator(file)
