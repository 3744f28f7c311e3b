# SPDX-License-Identifier: Apache-2.0
"""Changes to a generator as a file: what comes back, how large it is, and for whom it is."""

import copy
from pathlib import Path

import pytest
import torch

from tests.training.small import codes, labels, small_generator
from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.generator import Generator
from training.pretrained import load_generator
from training.pretrained.delta import apply_delta, save_delta
from training.pretrained.network_file import save_networks
from training.pretrained.state_dict_file import save_networks as save_state_dicts

BASE = small_generator()


def tuned(scale: float = 1e-3) -> Generator:
    """The base with another decoder."""
    G = copy.deepcopy(BASE)
    with torch.no_grad():
        for parameter in G.field.decoder.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return G


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_networks(tmp_path / "base.safetensors", {"G_ema": BASE}, {})
    return tmp_path / "base.safetensors"


@torch.no_grad()
def test_base_and_delta_give_what_the_tuned_generator_gives(file: Path) -> None:
    G = tuned()
    save_delta(file.with_name("delta.safetensors"), BASE, G, file.name, {})
    found = load_generator(file, delta=file.with_name("delta.safetensors"))
    for (name, wanted), was in zip(G.state_dict().items(), BASE.state_dict().values(), strict=True):
        error = (found.state_dict()[name] - wanted).abs()
        assert bool((error <= 2**-8 * (wanted - was).abs() + 1e-7).all()), name
    z, c = codes(2), labels(0.1, 2.0)
    change = (G(z, c)["image"] - BASE(z, c)["image"]).abs().max()
    assert (found(z, c)["image"] - G(z, c)["image"]).abs().max() < 0.01 * change


def test_only_what_changed_is_in_the_file(file: Path) -> None:
    delta = file.with_name("delta.safetensors")
    save_delta(delta, BASE, tuned(), file.name, {})
    held = checkpoint.read(delta).tensors
    assert set(held) == {f"field.decoder.{name}" for name, _ in BASE.field.decoder.named_parameters()}
    save_delta(delta, BASE, BASE, file.name, {})
    assert not checkpoint.read(delta).tensors


def test_large_and_tiny_changes_keep_their_precision(file: Path) -> None:
    for scale in (1e-30, 1e30):
        G = tuned(scale)
        changes = {name: G.get_parameter(name) - x for name, x in BASE.named_parameters()}
        save_delta(file.with_name("d.safetensors"), BASE, G, file.name, {})
        found = checkpoint.read(file.with_name("d.safetensors")).tensors
        for name, change in found.items():
            assert torch.allclose(change.float(), changes[name], rtol=2**-8, atol=0)


def test_the_base_may_come_from_another_kind_of_file_and_compute_in_another_precision(file: Path) -> None:
    delta = file.with_name("delta.safetensors")
    save_delta(delta, BASE, tuned(), file.name, {})
    save_state_dicts(file.with_suffix(".pt"), {"G_ema": BASE})
    first = load_generator(file, delta=delta).state_dict()
    for other in (
        load_generator(file.with_suffix(".pt"), delta=delta),
        load_generator(file, precision="bf16", delta=delta),
    ):
        assert all(torch.equal(x, first[name]) for name, x in other.state_dict().items())


def test_another_base_is_refused_with_the_name_of_the_right_one(file: Path) -> None:
    delta = file.with_name("delta.safetensors")
    save_delta(delta, BASE, tuned(), "heads.safetensors", {})
    other = tuned()
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(CheckpointError, match=r"another generator .* --network .*heads\.safetensors"):
        apply_delta(other, delta)
    assert all(torch.equal(x, before[name]) for name, x in other.state_dict().items())


def test_networks_and_deltas_that_change_places_are_told(file: Path) -> None:
    delta = file.with_name("delta.safetensors")
    save_delta(delta, BASE, tuned(), file.name, {})
    with pytest.raises(CheckpointError, match="give networks as --network"):
        load_generator(file, delta=file)
    with pytest.raises(CheckpointError, match="give it as --delta"):
        load_generator(delta)


def test_a_newer_or_incomplete_file_is_told(file: Path) -> None:
    delta = file.with_name("delta.safetensors")
    save_delta(delta, BASE, tuned(), file.name, {})
    tensors, header = checkpoint.read(delta)
    checkpoint.write(delta, tensors, header | {"schema_version": 99})
    with pytest.raises(CheckpointError, match="newer than this code"):
        apply_delta(BASE, delta)
    checkpoint.write(delta, tensors, header | {"base": None})
    with pytest.raises(CheckpointError, match="does not say which generator"):
        apply_delta(BASE, delta)
    checkpoint.write(delta, {"field.decoder.hidden.bias": torch.zeros(3)}, header)
    with pytest.raises(CheckpointError, match=r"changes 'field\.decoder\.hidden\.bias'"):
        apply_delta(copy.deepcopy(BASE), delta)
