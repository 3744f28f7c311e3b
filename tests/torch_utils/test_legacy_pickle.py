# SPDX-License-Identifier: Apache-2.0
"""Snapshots of the published structure are read as they were written; hostile, damaged and other files are refused."""

import builtins
import collections
import io
import os
import pickle
import random
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.torch_utils.legacy_snapshots import (
    EasyDict,
    Layer,
    make_snapshot,
    num_opcodes,
    planted_modules,
    write_snapshot,
)
from torch_utils.legacy_bytes import MAX_OPCODES
from torch_utils.legacy_pickle import LegacyPickleError, Record, read, tensors

PROTOCOLS = (2, 3, 4, 5)


@pytest.fixture
def trace(tmp_path: Path):
    """A file that must not exist when the test is over."""
    trace = tmp_path / "trace"
    yield trace
    assert not trace.exists()


def save(folder: Path, value: object, protocol: int = 4) -> Path:
    path = folder / "snapshot.pkl"
    with planted_modules("raise SystemExit"):
        path.write_bytes(pickle.dumps(value, protocol))
    return path


def save_bytes(folder: Path, data: bytes) -> Path:
    path = folder / "snapshot.pkl"
    path.write_bytes(data)
    return path


# What is read.


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_snapshot_gives_the_tensors_of_its_modules_under_the_names_of_their_state_dicts(tmp_path, trace, protocol):
    written = write_snapshot(tmp_path / "a.pkl", protocol, trace)
    snapshot = read(tmp_path / "a.pkl")
    assert list(snapshot) == list(written)
    for name in ("D", "G_ema"):
        found, expected = tensors(snapshot[name]), written[name].state_dict()
        assert list(found) == list(expected)
        for key, tensor in expected.items():
            assert type(found[key]) is torch.Tensor
            assert not found[key].requires_grad
            assert found[key].stride() == tensor.stride()
            torch.testing.assert_close(found[key], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_snapshot_gives_live_attributes_and_those_of_construction(tmp_path, trace, protocol):
    write_snapshot(tmp_path / "a.pkl", protocol, trace)
    snapshot = read(tmp_path / "a.pkl")
    assert snapshot["G"] is None
    assert snapshot["augment_pipe"] is None
    assert snapshot["training_set_kwargs"] == {
        "class_name": "training.dataset.Faces",
        "path": "/data",
        "max_size": None,
    }
    G = snapshot["G_ema"]
    assert G.class_name == "TriPlaneGenerator"
    assert G.init_kwargs["rendering_kwargs"]["ray_start"] == 2.2
    assert G.attributes["rendering_kwargs"] == {**G.init_kwargs["rendering_kwargs"], "ray_start": 2.25}
    assert G.init_kwargs["mapping_kwargs"] == {"num_layers": 2}
    assert G.attributes["neural_rendering_resolution"] == 64
    assert G.attributes["training"] is False
    assert G.state["_last_planes"] is None
    assert G.modules["ray_sampler"].class_name == "training.volumetric_rendering.ray_sampler.RaySampler"
    assert G.modules["decoder"].attributes["activation"] == "sigmoid"
    assert G.modules["layer1"].attributes["weight_gain"] == 0.25
    assert type(G.modules["layer1"].attributes["weight_gain"]) is float
    assert G.modules["layer1"].state["_non_persistent_buffers_set"] == {"scratch"}


def test_the_planted_source_leaves_its_trace_with_a_reader_that_executes_it(tmp_path):
    """What the other tests rely on."""
    write_snapshot(tmp_path / "a.pkl", 4, tmp_path / "trace")
    with planted_modules(""):
        pickle.loads((tmp_path / "a.pkl").read_bytes())
    assert (tmp_path / "trace").exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_kind_of_tensor_is_read_bit_for_bit(tmp_path, protocol):
    dtypes = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool]
    dtypes += [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]
    values = [(torch.arange(-40, 2000) % 127).to(dtype) for dtype in dtypes]
    base = torch.arange(24.0).reshape(2, 3, 4)
    values += [base[:, 1:, ::2], base.permute(2, 0, 1), base[1, 2, 3], torch.zeros(0, 5), base[:, :1].expand(2, 3, 4)]
    values += [nn.Parameter(base), torch.tensor(2.0)]
    found = read(save(tmp_path, values, protocol))
    for value, copy in zip(values, found, strict=True):
        assert copy.dtype == value.dtype
        torch.testing.assert_close(copy, value.detach(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("protocol", [2, 4])
def test_numpy_numbers_and_arrays_are_read_as_plain_numbers_and_tensors(tmp_path, protocol):
    numbers = [np.float64(0.1), np.float32(0.5), np.int64(-3), np.uint8(200), np.bool_(True)]
    arrays = [np.arange(6.0).reshape(2, 3), np.eye(40), np.array([True, False])]
    found = read(save(tmp_path, [numbers, arrays], protocol))
    assert found[0] == [number.item() for number in numbers]
    assert [type(number) for number in found[0]] == [float, float, int, int, bool]
    for array, copy in zip(arrays, found[1], strict=True):
        torch.testing.assert_close(copy.values, torch.from_numpy(array), rtol=0, atol=0)


def test_numpy_1_writes_the_same_under_another_name(tmp_path):
    data = pickle.dumps(np.float64(0.1), 2)
    assert b"numpy._core.multiarray" in data
    assert read(save_bytes(tmp_path, data.replace(b"numpy._core.", b"numpy.core."))) == 0.1


def test_ordered_and_easy_dictionaries_keep_their_order(tmp_path):
    found = read(save(tmp_path, [collections.OrderedDict(b=1, a=2), EasyDict(d=3, c=4), {4: "int"}]))
    assert [list(part) for part in found] == [["b", "a"], ["d", "c"], [4]]


def test_a_published_snapshot_needs_less_than_half_of_the_steps_that_are_allowed(tmp_path, trace):
    """Three networks of 300 tensors each, with what the storages take inside."""
    path = tmp_path / "a.pkl"
    write_snapshot(path, 4, trace, {name: make_snapshot(98)["G_ema"] for name in ("G", "D", "G_ema")})
    found = tensors(read(path)["G"])
    steps_of_a_storage = 70
    assert len(found) >= 300
    assert num_opcodes(path.read_bytes()) + 3 * len(found) * steps_of_a_storage < MAX_OPCODES / 2


# What is refused.


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def hostile(trace: Path) -> dict[str, object]:
    trace = str(trace)
    return {
        "posix.system": Call(os.system, f"touch {trace}"),
        "subprocess.Popen": Call(subprocess.Popen, ["touch", trace]),
        "builtins.eval": Call(eval, f"open({trace!r}, 'w')"),
        "builtins.exec": Call(exec, f"open({trace!r}, 'w')"),
        "builtins.getattr": Call(getattr, Layer, "__reduce__"),
        "builtins.open": Call(open, trace, "w"),
        "builtins.__import__": Call(builtins.__import__, "os"),
        "pickle.loads": Call(pickle.loads, pickle.dumps(Call(os.system, f"touch {trace}"))),
        "torch.serialization.load": Call(torch.load, trace),
        "torch.nn.modules.linear.Linear": nn.Linear(1, 1),
        "pathlib.PosixPath": Path(trace),
        "collections.deque": collections.deque([1]),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", hostile(Path("trace")))
def test_a_name_outside_of_the_list_is_named_refused_and_not_called(tmp_path, trace, name, protocol):
    path = save(tmp_path, {"G_ema": None, "D": hostile(trace)[name]}, protocol)
    with pytest.raises(LegacyPickleError) as refusal:
        read(path)
    assert str(path) in str(refusal.value)
    assert name.rpartition(".")[2] in str(refusal.value)  # the module has other names in other protocols
    assert "nothing was run" in str(refusal.value)


def test_the_message_says_which_name_in_which_file_and_what_to_do(tmp_path, trace):
    path = save_bytes(tmp_path, b"\x80\x02cos\nsystem\nX\x05\0\0\0touch\x85R.")
    with pytest.raises(LegacyPickleError) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path} is not read: it asks for 'os.system', which is no part of")
    assert "Use another copy" in str(refusal.value)


def test_a_hostile_module_inside_of_a_snapshot_is_refused(tmp_path, trace):
    snapshot = make_snapshot()
    snapshot["G_ema"].layer0.hook = Call(os.system, f"touch {trace}")
    write_snapshot(tmp_path / "a.pkl", 4, trace, snapshot)
    with pytest.raises(LegacyPickleError, match=r"system.*nothing was run"):
        read(tmp_path / "a.pkl")


def test_a_name_cannot_smuggle_control_characters_into_the_message(tmp_path):
    with pytest.raises(LegacyPickleError) as refusal:
        read(save_bytes(tmp_path, b"\x80\x04\x8c\x06\x1b[31mo\x8c\x01s\x93."))
    assert "\x1b" not in str(refusal.value)


@pytest.mark.parametrize("change", [{"version": 7}, {"type": "function"}, {"state": None}, {"class_name": 3}])
def test_a_persistent_object_of_another_make_is_refused(tmp_path, change):
    class Other(Layer):
        def __reduce__(self):
            function, (meta,) = super().__reduce__()
            return function, ({**meta, **change},)

    with pytest.raises(LegacyPickleError, match="persistent object"):
        read(save(tmp_path, Other()))


def test_a_missing_file_is_reported_as_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing.pkl")


def zip_bytes() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", "b")
    return stream.getvalue()


def torch_bytes(is_zip: bool) -> bytes:
    stream = io.BytesIO()
    torch.save({"a": torch.ones(2)}, stream, _use_new_zipfile_serialization=is_zip)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "web page"),
        (b"<HTML>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (zip_bytes(), "zip archive"),
        (torch_bytes(True), "weights_only=True"),
        (torch_bytes(False), "weights_only=True"),
        ((70).to_bytes(8, "little") + b'{"__metadata__":{}}', "load_generator"),
        (b"\x1f\x8b\x08", "gunzip"),
        (b"# notes\n", "no pickle"),
        (pickle.dumps({"G": None}, 0), "no pickle of protocol 2 to 5"),
        (b"\x80\x06N.", "no pickle of protocol 2 to 5"),
        (pickle.dumps({"G": None}) + b"more", "4 bytes follow"),
    ],
)
def test_another_kind_of_file_is_called_what_it_is(tmp_path, data, message):
    with pytest.raises(LegacyPickleError, match=message) as refusal:
        read(save_bytes(tmp_path, data))
    assert "snapshot.pkl" in str(refusal.value)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_file_cut_anywhere_is_refused_as_cut(tmp_path, trace, protocol):
    whole = tmp_path / "whole.pkl"
    write_snapshot(whole, protocol, trace)
    data = whole.read_bytes()
    for size in np.linspace(0, len(data) - 1, 200).astype(int):
        with pytest.raises(LegacyPickleError, match=r"download it again"):
            read(save_bytes(tmp_path, data[:size]))


@pytest.mark.parametrize("protocol", [2, 4])
def test_flipped_bytes_are_read_or_refused_with_a_reason(tmp_path, trace, protocol):
    whole = tmp_path / "whole.pkl"
    write_snapshot(whole, protocol, trace, {"G_ema": make_snapshot(0)["G_ema"], "D": Layer()})
    data, draw, outcomes = whole.read_bytes(), random.Random(protocol), collections.Counter()
    for _ in range(150):
        flipped = bytearray(data)
        for _ in range(draw.choice([1, 1, 4])):
            flipped[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        try:
            value = read(save_bytes(tmp_path, bytes(flipped)))
            if isinstance(value, dict) and isinstance(value.get("G_ema"), Record):
                tensors(value["G_ema"])
            outcomes["read"] += 1
        except LegacyPickleError:
            outcomes["refused"] += 1
    assert outcomes["read"] > 10
    assert outcomes["refused"] > 10
