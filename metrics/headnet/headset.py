# SPDX-License-Identifier: Apache-2.0
"""Procedural heads in memory, with the truths that HeadNet learns: side, identity, attributes, mask."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from dnnlib.files import open_store
from dnnlib.progress import progress
from metrics.headnet.attributes import KINDS, NUMBERS
from metrics.headnet.pictures import SIDE, resized
from training.cameras import camera_from_label, view_angles
from training.data.index import Index, open_index
from training.data.making.building import Made
from training.data.making.destinations import TRUTH_FILE
from training.data.problems import DataError
from training.data.synthetic.items import parameter_names

_SETTINGS, _COLUMNS = "synthetic", "synthetic_parameters"


@dataclasses.dataclass(frozen=True)
class HeadSet:
    """Row i of every tensor belongs to picture i."""

    image: UInt8[Tensor, "n 3 64 64"]
    mask: UInt8[Tensor, "n 1 64 64"]
    yaw_rad: Float32[Tensor, " n"]
    identity: Int64[Tensor, " n"]
    numbers: Float32[Tensor, "n numbers"]  # In their units, in the order of NUMBERS.
    kinds: Int64[Tensor, "n kinds"]  # Places in the lists of KINDS, in its order.

    def rows(self, rows: Tensor) -> "HeadSet":
        """Some of them."""
        return HeadSet(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))

    def __len__(self) -> int:
        return len(self.image)


def open_heads(img_data: str | Path, seg_data: str | Path, truth_data: str | Path) -> tuple[HeadSet, dict[str, Any]]:
    """A set of `dataset_tool.py synth`, and the settings that it was made with."""
    index = open_index(img_data, seg_data, use_labels=True, skip_damaged=False)
    if _SETTINGS not in index.settings:
        raise DataError(f"{img_data}: was not made by `dataset_tool.py synth`; HeadNet learns from its truths")
    truth = _read_truth(truth_data, len(index))
    images, masks = _read_pictures(index)
    heads = _heads(images, masks, truth, list(index.settings[_COLUMNS]))
    return heads, {**index.settings[_SETTINGS], "num": len(heads)}


def heads_of(items: Sequence[Made]) -> HeadSet:
    """Items as they are made, with their masks apart."""
    pairs = [(_small(item.image), _small(item.mask[..., None])) for item in items]
    truth = {name: np.stack([item.truth[name] for item in items]) for name in _TRUTHS}
    images, masks = (torch.stack(pictures) for pictures in zip(*pairs, strict=True))
    return _heads(images, masks, truth, parameter_names())


_TRUTHS = ("camera", "identity", "parameters", "smile")


def _read_truth(path: str | Path, count: int) -> dict[str, np.ndarray]:
    with open_store(path) as store:
        if TRUTH_FILE not in store:
            raise DataError(f"{path}: has no {TRUTH_FILE}; name the truth that `dataset_tool.py synth` has written")
        with np.load(io.BytesIO(store.read(TRUTH_FILE))) as arrays:
            truth = {name: arrays[name] for name in _TRUTHS}
    if len(truth["identity"]) != count:
        told = len(truth["identity"])
        raise DataError(f"{path}: tells of {told} pictures, but there are {count}; name their own truth")
    return truth


def _read_pictures(index: Index) -> tuple[Tensor, Tensor]:
    images = torch.empty(len(index), 3, SIDE, SIDE, dtype=torch.uint8)
    masks = torch.empty(len(index), 1, SIDE, SIDE, dtype=torch.uint8)
    for row in progress(range(len(index)), "reading heads", "img"):
        pixels = index.read(row)
        images[row], masks[row] = _small(pixels.image), _small(pixels.mask[..., None])
    return images, masks


def _heads(images: Tensor, masks: Tensor, truth: dict[str, np.ndarray], columns: list[str]) -> HeadSet:
    views = view_angles(camera_from_label(torch.from_numpy(truth["camera"]).double()))
    named = dict(zip(columns, torch.from_numpy(truth["parameters"]).unbind(dim=1), strict=True))
    named |= {"smile": torch.from_numpy(truth["smile"]), "elevation_rad": views.elevation_rad.float()}
    return HeadSet(
        images,
        masks,
        views.azimuth_rad.float(),
        torch.from_numpy(truth["identity"]).long(),
        torch.stack([named[name] for name in NUMBERS], dim=1),
        torch.stack([named[name].long() for name in KINDS], dim=1),
    )


def _small(pixels: UInt8[np.ndarray, "height width channels"]) -> UInt8[Tensor, "channels 64 64"]:
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    return resized(picture, SIDE)[0].round().clamp(0, 255).to(torch.uint8)
