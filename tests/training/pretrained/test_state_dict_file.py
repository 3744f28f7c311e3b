# SPDX-License-Identifier: Apache-2.0
"""Plain state dicts with published names: read again, or refused with a reason."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.small import codes, labels, small_critic, small_generator
from torch_utils.checkpoint import CheckpointError
from training.pretrained.load import load_networks
from training.pretrained.state_dict_file import save_networks

G, D = small_generator(), small_critic()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_networks(tmp_path / "net.pt", {"G_ema": G, "D": D})
    return tmp_path / "net.pt"


@torch.no_grad()
def test_networks_come_back_and_give_the_same(file: Path) -> None:
    networks = load_networks(file)
    z, c = codes(2), labels(0.1, 2.0)
    expected, found = G(z, c), networks["G_ema"](z, c)
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert torch.equal(networks["D"](expected, c), D(expected, c))


def test_other_programs_find_tensors_by_their_published_names(file: Path) -> None:
    content = torch.load(file, weights_only=True)
    assert content["G_ema"]["backbone.synthesis.b4.const"].shape == (16, 4, 4)
    assert content["D"]["b32.fromrgb.weight"].shape == (4, 7, 1, 1)
    assert json.loads(content["networks"])["D"]["resolution"] == 32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: [1], "no description"),
        (lambda content: torch.ones(2), "no description"),
        (lambda content: {"G_ema": content["G_ema"]}, "no description of its networks.*convert the .pkl"),
        (lambda content: content | {"networks": "[]"}, "no description"),
        (lambda content: content | {"networks": "[" * 100_000}, "no description"),
        (lambda content: content | {"networks": 3}, "no description"),
        (lambda content: content | {"networks": json.dumps({"G_ema": []})}, "description is incomplete"),
        (lambda content: content | {"G_ema": [1]}, "network G_ema: has no state dict"),
        (lambda content: {"networks": content["networks"]}, "network G_ema: has no state dict"),
        (lambda content: content | {"G_ema": content["G_ema"] | {"torgb.bias": 3}}, "has no state dict"),
        (lambda content: content | {"G_ema": content["G_ema"] | {3: torch.ones(1)}}, "3: not part of the model"),
        (lambda content: content | {"D": {}}, "network D: .*missing"),
        (
            lambda content: content | {"D": {"b4.out.bias": torch.zeros(1).expand(10**9)}},
            "b4.out.bias repeats its numbers",
        ),
        (
            lambda content: content | {"networks": content["networks"].replace('"c_dim": 25', '"c_dim": 1000000000')},
            "another",
        ),
    ],
)
def test_files_that_make_no_sense_are_told(file: Path, change: Any, message: str) -> None:
    torch.save(change(torch.load(file, weights_only=True)), file)
    with pytest.raises(CheckpointError, match=f"(?s){message}"):
        load_networks(file)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02cos\nsystem\n(S'true'\ntR."])
def test_what_torch_did_not_save_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"net\.pt"):
        load_networks(file)


def test_what_may_unpack_to_any_size_is_refused(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    with pytest.raises(CheckpointError, match="it is compressed"):
        load_networks(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG image"),
        (b"", "it is empty"),
        (b"\x80\x02cos\nsystem\n.", "nothing of it was run"),
    ],
)
def test_nobody_is_advised_to_run_a_file(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_networks(file)
    assert "weights_only" not in str(caught.value)
