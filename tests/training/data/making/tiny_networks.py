# SPDX-License-Identifier: Apache-2.0
"""Segmentation networks of a few numbers, as files: the head is where the picture is bright."""

import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

GAIN = 20.0


def write_onnx(
    path: Path, size: int | str = "size", batch: int | str = "batch", elem_type: int = TensorProto.FLOAT
) -> Path:
    """Two classes of logits: 0, and GAIN * (mean brightness - 0.5)."""
    weights = [0.0, 0.0, 0.0, GAIN / 3, GAIN / 3, GAIN / 3]
    picture = helper.make_tensor_value_info("picture", elem_type, [batch, 3, size, size])
    logits = helper.make_tensor_value_info("logits", elem_type, [batch, 2, size, size])
    constants = [
        helper.make_tensor("weight", elem_type, [2, 3, 1, 1], weights),
        helper.make_tensor("bias", elem_type, [2], [0.0, -GAIN / 2]),
    ]
    node = helper.make_node("Conv", ["picture", "weight", "bias"], ["logits"])
    graph = helper.make_graph([node], "tiny", [picture], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


class Brightness(torch.nn.Module):
    """One probability: how bright a pixel is, with a steep edge at 0.5."""

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"aux": pictures[:, :1], "out": torch.sigmoid(20.0 * (pictures.mean(dim=1, keepdim=True) - 0.5))}


def write_script(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Brightness()).save(str(path))
    return path
