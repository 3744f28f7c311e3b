# SPDX-License-Identifier: Apache-2.0
"""Detectors as files, small enough to be made by tests."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper


class Colours(torch.nn.Module):
    """Eight numbers that follow from the mean colour and the mean edge of a picture."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(8, 6, generator=generator))

    def forward(self, x: torch.Tensor, doubled: bool = False) -> torch.Tensor:
        edges = (x[:, :, 1:] - x[:, :, :-1]).abs().mean(dim=(2, 3))
        features = torch.cat([x.mean(dim=(2, 3)), edges], dim=1) @ self.weight.T
        return features * 2 if doubled else features


class Together(torch.nn.Module):
    """What a network in training mode does: a picture's features depend on the others beside it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = x.mean(dim=(2, 3))
        return features - features.mean(dim=0)


class Bright(torch.nn.Module):
    """A segmentation: head is what is bright."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 50 * (x.mean(dim=1, keepdim=True) - 0.5)


class Blind(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(min=200, max=201).mean(dim=(2, 3)) * 0 + 1


class Broken(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)) / (x * 0).mean()


class Row(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(1, 2, 3))


def write_script(path: Path, module: torch.nn.Module) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module.eval()).save(str(path))
    return path


def write_onnx(path: Path, size: int | None = None, batch: int | None = None) -> Path:
    """The mean colour times a matrix."""
    weight = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    shape = [batch or "n", 3, size or "h", size or "w"]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch or "n", 5])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path
