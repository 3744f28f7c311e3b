# SPDX-License-Identifier: Apache-2.0
"""The two sides of a comparison, in 8 bits: pictures of a data set, and of a generator under its cameras.

A *mode* says which cameras are rendered, and under which camera the styles are mapped (the *condition*):

    all, front, back    cameras of all images, of those up to 90 degrees of yaw, of those beyond
    random, frontal3d   cameras of all images

    all, front          the condition is the camera itself, with the learned shift; so the head may depend on the view
    random              the condition is another camera, drawn independently
    back, frontal3d     the condition is the front camera: what is seen was made for a viewer in front

Which images are in the data set is up to the caller: `YAW_DEG` has what a mode asks for.
"""

from typing import Any, Literal, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from torch import Tensor

from training.cameras import camera_from_label, view_angles
from training.data.dataset import ImageDataset
from training.data.problems import DataError
from training.generator import Generator
from training.prior import Draw, Prior
from training.types import Rendering
from training.watch.views import rig_of

Mode = Literal["all", "front", "back", "random", "frontal3d"]
MODES: tuple[Mode, ...] = ("all", "front", "back", "random", "frontal3d")
YAW_DEG: dict[Mode, tuple[float, float]] = {
    "all": (0, 180),
    "front": (0, 90),
    "back": (90, 180),
    "random": (0, 180),
    "frontal3d": (0, 180),
}
NUM_BINS = 8


@final
class RealPictures:
    """The items that may be drawn: all, or `limit` of them spread over the set."""

    def __init__(self, dataset: ImageDataset, limit: int | None = None) -> None:
        drawn = np.flatnonzero(dataset.weights > 0)
        if limit is not None and limit < len(drawn):
            drawn = drawn[np.linspace(0, len(drawn) - 1, limit).astype(int)]
        self._dataset = dataset
        self._items = drawn

    def __len__(self) -> int:
        return len(self._items)

    @property
    def weights(self) -> Float64[Tensor, " n"]:
        """How often each one counts."""
        return torch.from_numpy(self._dataset.weights[self._items])

    @property
    def azimuth_deg(self) -> Float32[Tensor, " n"] | None:
        """None in a set without cameras."""
        labels = self._dataset.labels
        return None if labels is None else azimuth_of(labels[torch.from_numpy(self._items)])

    def pictures(self, indices: Int64[Tensor, " n"]) -> tuple[UInt8[Tensor, "n 3 height width"], Bool[Tensor, " n"]]:
        """The second says which are whole: a damaged one is black, if the set says to skip such."""
        images = [self._image(int(self._items[int(index)])) for index in indices]
        side = self._dataset.resolution
        black = torch.zeros(3, side, side, dtype=torch.uint8)
        is_whole = torch.tensor([image is not None for image in images])
        return torch.stack([black if image is None else image for image in images]), is_whole

    def _image(self, item: int) -> UInt8[Tensor, "3 height width"] | None:
        try:
            return self._dataset[item].image
        except DataError:
            if self._dataset.skips_damaged:
                return None
            raise


@final
class GeneratedPictures:
    """Picture i follows from the generator, the data set's cameras, the mode, the seed and i."""

    def __init__(
        self, generator: Generator, dataset: ImageDataset, mode: Mode, seed: int, device: torch.device
    ) -> None:
        if dataset.labels is None:
            raise ValueError("Pictures are rendered under the cameras of the data set, and this one has none.")
        self.generator = generator
        self.mode = mode
        self.device = device
        self._prior = Prior(
            seed,
            z_dim=generator.z_dim,
            num_ws=generator.num_ws,
            labels=dataset.labels,
            weights=dataset.weights,
            background_swap=0.0,
            style_mixing=0.0,
        )
        self._labels = dataset.labels

    @property
    def facts(self) -> dict[str, Any]:
        """How they are rendered."""
        is_own = self.mode in ("all", "front")
        condition = "own" if is_own else "another" if self.mode == "random" else "front"
        return {"mode": self.mode, "condition": condition, "noise": "const", "psi": 1.0, "has_shift": is_own}

    def cameras(self, indices: Int64[Tensor, " n"]) -> Float32[Tensor, "n 25"]:
        """Under which they are rendered, but for the learned shift."""
        return self._draw("metrics", indices).c

    def azimuth_deg(self, count: int) -> Float32[Tensor, " count"]:
        return azimuth_of(self.cameras(torch.arange(count)))

    def pictures(self, indices: Int64[Tensor, " n"]) -> UInt8[Tensor, "n 3 height width"]:
        return to_8_bits(self.renderings(indices)["image"])

    @torch.no_grad()
    def renderings(self, indices: Int64[Tensor, " n"]) -> Rendering:
        draw = self._draw("metrics", indices).to(self.device)
        if self.mode in ("all", "front"):
            return self.generator(draw.styles.z, draw.c)
        ws = self.generator.mapping(draw.styles.z, self._condition(indices).to(self.device))
        return self.generator.synthesis(ws, draw.c)

    def _condition(self, indices: Int64[Tensor, " n"]) -> Float32[Tensor, "n 25"]:
        if self.mode == "random":
            return self._draw("metrics condition", indices).c
        return rig_of(self.generator, self._labels).labels((0,)).expand(len(indices), -1)

    def _draw(self, phase: str, indices: Int64[Tensor, " n"]) -> Draw:
        return self._prior.draw(phase, indices, batch_start=0, batch=2**31, swap_probability=0.0)


def to_8_bits(image: Tensor) -> UInt8[Tensor, "n 3 height width"]:
    """Pictures in [-1, 1] as they would be stored."""
    return (image * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)


def azimuth_of(labels: Float32[Tensor, "n 25"]) -> Float32[Tensor, " n"]:
    """In degrees, from -180 to 180."""
    return torch.rad2deg(view_angles(camera_from_label(labels)).azimuth_rad)


def yaw_bin(azimuth_deg: Float32[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """Which of the eight ranges of 45 degrees: the front is in the middle of range 0, the back in that of range 4."""
    return ((azimuth_deg + 22.5) // 45).long() % NUM_BINS


def poses(azimuth_deg: Float32[Tensor, " n"], weights: Float64[Tensor, " n"] | None = None) -> dict[str, float]:
    """Share of pictures in each of eight ranges of yaw."""
    shares = torch.bincount(yaw_bin(azimuth_deg), weights, minlength=NUM_BINS).double()
    return {bin_name(i): round(share, 4) for i, share in enumerate((shares / shares.sum()).tolist())}


def bin_name(index: int) -> str:
    """`yaw+000`, `yaw+045`, ... `yaw+180`, `yaw-135` ...: the middle of the range."""
    middle = index * 45
    return f"yaw{middle if middle <= 180 else middle - 360:+04d}"
