# SPDX-License-Identifier: Apache-2.0
"""Snapshots of the published structure, written by the stock pickler from modules that only look like the published.

A *persistent* object pickles as a call with a dictionary that carries source text. Here that text writes a trace, so a
reader that executes it is found out; `executing` is such a reader, planted under the published name.
"""

import contextlib
import copy
import io
import pickle
import pickletools
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn


def executing(meta: dict) -> Any:
    exec(meta["module_src"], {})
    return meta


executing.__module__, executing.__qualname__ = "torch_utils.persistence", "_reconstruct_persistent_obj"


class EasyDict(dict):
    __module__ = "dnnlib.util"


class RaySampler(nn.Module):
    __module__ = "training.volumetric_rendering.ray_sampler"


class OSGDecoder(nn.Module):
    __module__ = "training.triplane"

    def __init__(self) -> None:
        super().__init__()
        self.activation = "sigmoid"
        self.net = nn.Sequential(Layer(index=0), nn.Softplus(), Layer(index=2))


class Persistent(nn.Module):
    """A module that arrives with its source."""

    source = "raise SystemExit"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self._init_args, self._init_kwargs = args, copy.deepcopy(kwargs)

    def __reduce__(self) -> tuple:
        meta = {"type": "class", "version": 6, "module_src": self.source, "class_name": type(self).__name__}
        return executing, (EasyDict(meta, state=dict(self.__dict__)),)


class Layer(Persistent):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = nn.Parameter(torch.randn(3, 4, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.register_buffer("resample_filter", torch.ones(2, 2))
        self.register_buffer("nothing", None)
        self.register_buffer("scratch", torch.ones(1), persistent=False)
        self.register_parameter("absent", None)
        self.weight_gain = np.float64(0.25)


class TriPlaneGenerator(Persistent):
    def __init__(self, num_layers: int, rendering_kwargs: dict, **kwargs: Any) -> None:
        super().__init__(num_layers=num_layers, rendering_kwargs=rendering_kwargs, **kwargs)
        self.rendering_kwargs = EasyDict(rendering_kwargs, ray_start=2.25)
        self.neural_rendering_resolution = 64
        self._last_planes = None
        self.ray_sampler = RaySampler()
        self.decoder = OSGDecoder()
        for index in range(num_layers):
            setattr(self, f"layer{index}", Layer(index=index))
        self.register_buffer("dataset_label_std", torch.arange(25.0))
        self.register_buffer("long", torch.randn(70, 30).t())  # not contiguous, longer than what is read at once


def make_snapshot(num_layers: int = 2) -> dict[str, Any]:
    torch.manual_seed(0)
    rendering_kwargs = {"ray_start": 2.2, "box_warp": 1, "avg_camera_pivot": [0, 0, 0.2], "white_back": False}
    G = TriPlaneGenerator(num_layers, rendering_kwargs, z_dim=8, mapping_kwargs=EasyDict(num_layers=2))
    data = EasyDict(class_name="training.dataset.Faces", path="/data", max_size=None)
    return {"training_set_kwargs": data, "G": None, "D": Layer(), "G_ema": G.eval(), "augment_pipe": None}


@contextlib.contextmanager
def planted_modules(source: str):
    """The published names as importable modules, for as long as a pickler or a careless reader needs them."""
    plants = {}
    for thing in (executing, EasyDict, RaySampler, OSGDecoder):
        module = plants.setdefault(thing.__module__, types.ModuleType(thing.__module__))
        setattr(module, thing.__qualname__.rpartition(".")[2], thing)
    plants["training.volumetric_rendering"] = types.ModuleType("training.volumetric_rendering")
    with mock.patch.dict(sys.modules, plants), mock.patch.object(Persistent, "source", source):
        yield


def write_snapshot(path: Path, protocol: int, trace: Path, value: Any = None, comment: str = "") -> Any:
    """Write a snapshot whose sources write `trace` if they are executed, and return what went in."""
    value = make_snapshot() if value is None else value
    with planted_modules(f"import pathlib\npathlib.Path({str(trace)!r}).write_text('executed')\n# {comment}\n"):
        path.write_bytes(pickle.dumps(value, protocol))
    return value


def storage_bytes(values: torch.Tensor) -> bytes:
    """A storage as the stock pickler has it inside of a tensor."""
    stream = io.BytesIO()
    torch.save(
        torch.storage.TypedStorage(wrap_storage=values.untyped_storage(), dtype=values.dtype, _internal=True),
        stream,
        _use_new_zipfile_serialization=False,
    )
    return stream.getvalue()


def num_opcodes(data: bytes) -> int:
    return sum(1 for _ in pickletools.genops(data))
