# SPDX-License-Identifier: Apache-2.0
"""What is shipped is the averaged generator alone, in half the bytes, and its pictures are hardly different."""

import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from tests.training.small import codes, labels, small_critic, small_generator
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.pretrained import convert, load_generator, load_networks, sources
from training.pretrained.__main__ import main
from training.pretrained.network_file import save_networks

PROVENANCE = {"nimg": 2000, "run": "r", "data": {"source": "/home/somebody/img.zip", "items": 24}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "networks-0000002000.safetensors"
    plain = small_generator()
    with torch.no_grad():
        plain.field.decoder.out.bias += 1
    save_networks(path, {"G_ema": small_generator(), "G": plain, "D": small_critic()}, PROVENANCE)
    return path


@pytest.mark.parametrize("stored", ["bf16", "fp16", "fp32"])
def test_what_is_shipped_makes_the_same_pictures(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: convert.Stored
) -> None:
    monkeypatch.setattr(convert, "LEAST_DB", 45.0 if stored == "fp16" else 35.0)  # Random weights are touchy.
    made = tmp_path / "small.safetensors"
    told_db = convert.ship(file, made, stored)
    assert list(load_networks(made)) == ["G_ema"]
    G, small = load_generator(file), load_generator(made)
    assert small.config == G.config
    assert all(x.dtype == torch.float32 for x in small.state_dict().values() if x.is_floating_point())
    with torch.no_grad():
        a, b = (network(codes(4), labels(0.0, 1.0, 2.0, 3.0))["image"] for network in (G, small))
    if stored == "fp32":
        assert torch.equal(a, b)
        assert told_db == math.inf
    else:
        assert 10 * torch.log10(4 / (a - b).square().mean()) > convert.LEAST_DB
        assert convert.LEAST_DB < told_db < 120
    numbers = sum(x.numel() for x in G.state_dict().values())
    tensors = checkpoint.read(made).tensors.values()
    assert sum(x.nbytes for x in tensors) == numbers * (4 if stored == "fp32" else 2)


def test_it_says_where_it_comes_from_but_not_where_somebody_had_the_data(file: Path, tmp_path: Path) -> None:
    convert.ship(file, tmp_path / "a.safetensors", "fp16")
    convert.convert(file, tmp_path / "b.safetensors")
    for name, more in (("a", {"stored": "fp16"}), ("b", {})):
        told = checkpoint.read_header(tmp_path / f"{name}.safetensors")["provenance"]
        assert told == {"nimg": 2000, "run": "r", "data": {"items": 24}, "converted_from": file.name} | more


def test_numbers_that_do_not_fit_are_refused_and_the_file_before_stays(file: Path, tmp_path: Path) -> None:
    G, made = small_generator(), tmp_path / "small.safetensors"
    convert.ship(file, made, "fp16")
    before = made.read_bytes()
    with torch.no_grad():
        G.field.decoder.out.bias += 1e5  # fp16 ends at 65504.
    save_networks(file, {"G_ema": G}, {})
    with pytest.raises(CheckpointError, match="--weights bf16"):
        convert.ship(file, made, "fp16")
    assert made.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file.name, made.name])


def test_the_command_tells_what_it_made(file: Path, tmp_path: Path) -> None:
    made = tmp_path / "small.safetensors"
    told = CliRunner().invoke(main, ["convert", str(file), str(made), "--weights", "fp16"])
    assert told.exit_code == 0, told.output
    assert "alike to" in told.output
    assert CliRunner().invoke(main, ["convert", str(file), str(made), "--weights", "fp16"]).exit_code == 1
    wrong = CliRunner().invoke(main, ["convert", str(file), str(tmp_path / "small.pt"), "--weights", "fp16"])
    assert wrong.exit_code == 1
    assert "name one" in wrong.output


def test_a_shipped_name_is_meant_where_a_folder_of_that_name_has_no_networks(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MODELS", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    for folder in ("models", "heads"):
        (tmp_path / folder).mkdir()
    convert.ship(file, tmp_path / "models" / "heads.safetensors", "fp16")
    (tmp_path / "heads" / "picture.png").touch()
    assert sources.find("heads") == tmp_path / "models" / "heads.safetensors"
    assert load_generator("heads").z_dim == 8
    own = file.rename(tmp_path / "heads" / file.name)
    assert sources.find("heads") == Path("heads") / own.name
    with pytest.raises(CheckpointError, match=r"Did you mean 'heads'.*Shipped models: heads"):
        sources.find("head")
