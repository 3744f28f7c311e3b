# SPDX-License-Identifier: Apache-2.0
"""What is written is read; what is damaged, cut, foreign or of another model is told in a sentence."""

import json
import os
import random
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from torch_utils.checkpoint import CheckpointError, load_weights, read, read_header, write

TENSORS = {
    "float32": torch.randn(3, 4),
    "bfloat16": torch.randn(5).bfloat16(),
    "float16": torch.randn(2, 2).half(),
    "float64": torch.randn(2).double(),
    "int64": torch.arange(5),
    "uint8": torch.arange(3, dtype=torch.uint8),
    "bool": torch.tensor([True, False]),
    "number": torch.tensor(3.5),
    "bfloat16 number": torch.tensor(1.5, dtype=torch.bfloat16),
    "none at all": torch.zeros(0, 3),
    "channels last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "expanded": torch.ones(1).expand(4),
    "every second": torch.randn(10)[::2],
    "not finite": torch.tensor([float("nan"), float("inf")]),
    "größe": torch.ones(1),
}
HEADER = {"format": "test", "near": 2.25, "widths": [256, 128], "deep": {"name": "größe", "none": None}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(tmp_path / "a.safetensors", TENSORS, HEADER)
    return tmp_path / "a.safetensors"


def same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(7), b.nan_to_num(7))


def test_tensors_of_every_type_and_the_header_come_back(file: Path) -> None:
    tensors, header = read(file)
    assert header == HEADER
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert same(tensors[name], tensor), name


def test_parameters_and_shared_tensors_are_written_as_they_are(tmp_path: Path) -> None:
    parameter = nn.Parameter(torch.randn(3))
    write(tmp_path / "a", {"one": parameter, "other": parameter}, {})
    tensors, _ = read(tmp_path / "a")
    assert torch.equal(tensors["one"], parameter)
    assert torch.equal(tensors["other"], parameter)
    assert not tensors["one"].requires_grad


def test_others_can_read_it_as_the_safetensors_file_it_is(file: Path) -> None:
    tensors = safetensors.torch.load_file(file)
    assert tensors.keys() == TENSORS.keys()
    assert json.loads(safetensors.safe_open(file, "pt").metadata()["fullhead"])["near"] == 2.25


def test_the_header_alone_has_the_digest_too(file: Path) -> None:
    header = read_header(file)
    assert len(header.pop("digest")) == 32
    assert header == HEADER


def test_the_same_content_makes_the_same_file(file: Path, tmp_path: Path) -> None:
    reordered = dict(reversed(TENSORS.items()))
    write(tmp_path / "b", reordered, HEADER)
    assert (tmp_path / "b").read_bytes() == file.read_bytes()


def test_a_byte_that_changed_anywhere_is_noticed(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    damaged = tmp_path / "damaged"
    changes = random.Random(0)
    refused = 0
    for _ in range(700):
        at = changes.randrange(len(data))
        damaged.write_bytes(data[:at] + bytes([data[at] ^ 1 << changes.randrange(8)]) + data[at + 1 :])
        try:
            tensors, header = read(damaged)
        except CheckpointError:
            refused += 1
        else:
            # JSON can be written in several ways: \u00E9 is \u00e9.
            assert header == HEADER
            assert all(same(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert refused > 690


def test_a_number_of_the_header_that_changed_is_noticed(file: Path) -> None:
    data = file.read_bytes()
    assert data.count(b"2.25") == 1
    file.write_bytes(data.replace(b"2.25", b"2.35"))
    assert read_header(file)["near"] == 2.35
    with pytest.raises(CheckpointError, match="does not match its digest, so it is damaged; copy or download it again"):
        read(file)


@pytest.mark.parametrize(("old", "new"), [(b'"I64","shape":[5]', b'"F64","shape":[5]'), (b"[3,4]", b"[4,3]")])
def test_types_and_shapes_that_changed_are_noticed(file: Path, old: bytes, new: bytes) -> None:
    data = file.read_bytes()
    assert data.count(old) == 1
    file.write_bytes(data.replace(old, new))
    with pytest.raises(CheckpointError, match="does not match its digest"):
        read(file)


def test_a_file_that_was_cut_or_grew_is_refused(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    for length in range(0, len(data), 11):
        (tmp_path / "cut").write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            read(tmp_path / "cut")
    (tmp_path / "long").write_bytes(data + b"x")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        read(tmp_path / "long")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 8,
        b"not a checkpoint at all",
        b"PK\x03\x04" + bytes(100),
        b"\x80\x02}q\x00.",
        b"<!DOCTYPE html><html><body>404</body></html>",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2) + b"[]",
    ],
)
def test_what_is_no_checkpoint_at_all_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    for reader in (read, read_header):
        with pytest.raises(CheckpointError, match=r"file: is (not a whole|a) safetensors file"):
            reader(tmp_path / "file")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "not one of this project: its metadata lacks 'fullhead'"),
        ({"format": "pt"}, "not one of this project"),
        ({"fullhead": "not json"}, "header is not JSON"),
        ({"fullhead": "[1]"}, "header is not a JSON object"),
        ({"fullhead": "[" * 100_000}, "header is not JSON"),
        ({"fullhead": "{}"}, "does not match its digest"),
    ],
)
def test_safetensors_files_of_others_are_refused(tmp_path: Path, metadata: dict[str, str] | None, message: str) -> None:
    safetensors.torch.save_file({"x": torch.ones(2)}, tmp_path / "other.safetensors", metadata)
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path / "other.safetensors")


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(CheckpointError, match="cannot be read"):
            read(path)


@pytest.mark.parametrize("header", [{"x": float("nan")}, {"x": Path("x")}])
def test_a_header_that_is_not_json_is_no_reason_to_lose_the_old_file(file: Path, header: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError), match="JSON"):
        write(file, TENSORS, header)
    assert read(file).header == HEADER


def test_the_old_file_stays_when_writing_fails_at_the_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk on fire")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk on fire"):
        write(file, {"x": torch.zeros(1)}, {})
    assert read(file).header == HEADER
    assert os.listdir(file.parent) == [file.name]


class Model(nn.Module):
    def __init__(self, width: int = 3, layers: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))


def test_weights_are_loaded() -> None:
    a, b = Model(), Model()
    load_weights(a, b.state_dict(), "file")
    assert torch.equal(a.layers[0].weight, b.layers[0].weight)


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        (Model(layers=2), ["layers.1.weight: not part of the model, [3, 3] given"]),
        (Model(width=4), ["layers.0.weight: [4, 4] given, [3, 3] wanted", "layers.0.bias: [4] given, [3] wanted"]),
        (Model(layers=0), ["layers.0.weight: missing, [3, 3] wanted", "layers.0.bias: missing, [3] wanted"]),
        (Model(layers=5), ["... and 3 more"]),
    ],
)
def test_weights_of_another_model_are_told_by_name_and_change_nothing(given: nn.Module, lines: list[str]) -> None:
    model = Model()
    before = model.layers[0].weight.clone()
    with pytest.raises(CheckpointError, match=r"^file: the weights are of another model") as caught:
        load_weights(model, given.state_dict(), "file")
    for line in lines:
        assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 7
    assert torch.equal(model.layers[0].weight, before)
