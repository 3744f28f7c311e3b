# SPDX-License-Identifier: Apache-2.0
"""Networks from files: both kinds give what they should, everything else is refused with a reason and never run."""

import importlib
import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from tests.training.data.making.tiny_networks import GAIN, write_onnx, write_script
from training.data.making.network_files import open_network
from training.data.problems import DataError

PICTURES = np.random.default_rng(0).uniform(0, 1, (3, 3, 8, 8)).astype(np.float32)


def test_an_onnx_file_is_run(tmp_path):
    network = open_network(write_onnx(tmp_path / "net.onnx"), "cpu")
    assert (network.size, network.batch) == (None, None)
    output = network.run(PICTURES)
    assert output.shape == (3, 2, 8, 8)
    np.testing.assert_allclose(output[:, 1], GAIN * (PICTURES.mean(axis=1) - 0.5), atol=1e-4)


def test_what_an_onnx_file_demands_is_known(tmp_path):
    network = open_network(write_onnx(tmp_path / "net.onnx", size=8, batch=1), "cpu")
    assert (network.size, network.batch) == (8, 1)
    with pytest.raises(DataError, match=r"net\.onnx.*\[3, 3, 8, 8\].*--input_size"):
        network.run(PICTURES)


def test_a_network_in_half_precision_is_fed_so(tmp_path):
    network = open_network(write_onnx(tmp_path / "net.onnx", elem_type=TensorProto.FLOAT16), "cpu")
    np.testing.assert_allclose(network.run(PICTURES)[:, 1], GAIN * (PICTURES.mean(axis=1) - 0.5), atol=0.05)


def test_a_torchscript_file_is_run_and_its_main_output_taken(tmp_path):
    network = open_network(write_script(tmp_path / "net.pt"), "cpu")
    output = network.run(PICTURES)
    expected = 1 / (1 + np.exp(-20 * (PICTURES.mean(axis=1, keepdims=True) - 0.5)))
    np.testing.assert_allclose(output, expected, atol=1e-5)


def test_what_a_torchscript_file_cannot_take_is_told(tmp_path):
    class Strict(torch.nn.Module):
        def forward(self, pictures):
            return pictures.view(-1, 3, 64)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(Strict(), torch.zeros(1, 3, 8, 8)).save(str(tmp_path / "net.pt"))
    network = open_network(tmp_path / "net.pt", "cpu")
    assert network.run(PICTURES).shape == (3, 3, 64)
    with pytest.raises(DataError, match=r"net\.pt.*--input_size"):
        network.run(PICTURES[:, :, :5, :5])


class Trap:
    """Pickled, it writes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("name", ["net.pth", "net.pkl", "net.pt", "net.ckpt"])
def test_pickles_are_refused_unread(tmp_path, name):
    torch.save({"weight": Trap(str(tmp_path / "sprung"))}, tmp_path / name)
    with pytest.raises(DataError, match=r"torch\.onnx\.export"):
        open_network(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["net.onnx", "net.pt"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_file_that_is_cut_off_is_named(tmp_path, name, share):
    whole = (write_onnx if name.endswith("onnx") else write_script)(tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=name):
        open_network(tmp_path / name)


def test_other_files_are_told_what_is_wanted(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        open_network(tmp_path / "missing.onnx")
    (tmp_path / "net.tflite").write_bytes(b"")
    with pytest.raises(DataError, match="neither"):
        open_network(tmp_path / "net.tflite")
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 8, 8, 3])
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 8, 8, 3])
    graph = helper.make_graph([helper.make_node("Relu", ["picture"], ["out"])], "last", [picture], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "last.onnx")
    with pytest.raises(DataError, match=r"\[batch, 3, size, size\]"):
        open_network(tmp_path / "last.onnx")


def test_without_onnxruntime_the_message_says_what_to_install(tmp_path, monkeypatch):
    write_onnx(tmp_path / "net.onnx")
    real = importlib.import_module

    def import_module(name, *args):
        if name == "onnxruntime":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(DataError, match=r"fullhead\[metrics\]"):
        open_network(tmp_path / "net.onnx")
