# SPDX-License-Identifier: Apache-2.0
"""The values that parts hand to each other: immutable, batched, and told apart by name.

`T_world_cam` maps camera coordinates to world coordinates (target frame first, source second). Camera axes are those of
OpenCV: x to the image's right, y down, z forward. World axes: +y up, the subject looks to +z. See docs/conventions.md.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """Where cameras stand, how they are turned, how they project. Any number of batch axes, also none."""

    T_world_cam: Float[Tensor, "*batch 4 4"]
    intrinsics: Float[Tensor, "*batch 3 3"]  # In units of the image size: the image is the square [0, 1] x [0, 1].

    def __post_init__(self) -> None:
        batch = self.T_world_cam.shape[:-2]
        assert self.T_world_cam.shape == (*batch, 4, 4), f"T_world_cam is {tuple(self.T_world_cam.shape)}"
        assert self.intrinsics.shape == (*batch, 3, 3), f"intrinsics {tuple(self.intrinsics.shape)}, batch {batch}"

    @property
    def batch_shape(self) -> torch.Size:
        return self.T_world_cam.shape[:-2]

    @property
    def R_world_cam(self) -> Float[Tensor, "*batch 3 3"]:  # noqa: N802 (frames are upper case)
        """The rotation; its columns are `right`, `down` and `forward`."""
        return self.T_world_cam[..., :3, :3]

    @property
    def position(self) -> Float[Tensor, "*batch 3"]:
        """Centre of projection, in the world."""
        return self.T_world_cam[..., :3, 3]

    @property
    def right(self) -> Float[Tensor, "*batch 3"]:
        """World direction along an image row."""
        return self.T_world_cam[..., :3, 0]

    @property
    def down(self) -> Float[Tensor, "*batch 3"]:
        """World direction down an image column."""
        return self.T_world_cam[..., :3, 1]

    @property
    def forward(self) -> Float[Tensor, "*batch 3"]:
        """World direction the camera looks in."""
        return self.T_world_cam[..., :3, 2]

    def to(self, *args: Any, **kwargs: Any) -> "Camera":
        """Both tensors moved or converted, as by Tensor.to."""
        return Camera(self.T_world_cam.to(*args, **kwargs), self.intrinsics.to(*args, **kwargs))

    def __getitem__(self, index: Any) -> "Camera":
        """Cameras picked along the batch axes; a single camera has none, and the matrices stay whole."""
        index = index if isinstance(index, tuple) else (index,)
        index = (*index, ..., slice(None), slice(None))
        return Camera(self.T_world_cam[index], self.intrinsics[index])

    @staticmethod
    def stack(cameras: "Sequence[Camera]") -> "Camera":
        """Cameras of one batch shape along a new first axis."""
        poses, intrinsics = zip(*((camera.T_world_cam, camera.intrinsics) for camera in cameras), strict=True)
        return Camera(torch.stack(poses), torch.stack(intrinsics))


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Images of a data set as they are stored, in 8 bits: `image / 127.5 - 1` and `mask / 255` are what a critic sees.

    Conditions are told apart by name: `camera` is the 25-number label. A set without cameras has none.
    """

    image: UInt8[Tensor, "batch 3 height width"]
    mask: UInt8[Tensor, "batch 1 height width"] | None
    conditions: Mapping[str, Float[Tensor, "batch _"]]
    index: Int64[Tensor, " batch"]  # Of the items in the data set.

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """All tensors moved. From pinned memory, `non_blocking` lets the computation go on meanwhile."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """All tensors in memory that a GPU can read by itself. PyTorch's loaders look for a method of this name."""
        return self._map(lambda tensor: tensor.pin_memory())

    def __getitem__(self, part: slice) -> "Batch":
        """Some of its images."""
        return self._map(lambda tensor: tensor[part])

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        conditions = {name: change(values) for name, values in self.conditions.items()}
        mask = None if self.mask is None else change(self.mask)
        return Batch(change(self.image), mask, conditions, change(self.index))


# Named latents and their style vectors, as the parts of a model ask for them: a PanoHead has "ws", [N, num_ws, w_dim].
Codes = Mapping[str, Tensor]


class Rendering(TypedDict, total=False):
    """Pictures of a generator, NCHW float32. Those in colour are in [-1, 1]."""

    image: Float[Tensor, "batch channels size size"]
    image_raw: Float[Tensor, "batch channels raw_size raw_size"]  # As rendered, before super-resolution.
    image_depth: Float[Tensor, "batch 1 raw_size raw_size"]  # Along the rays.
    image_mask: Float[Tensor, "batch 1 raw_size raw_size"]  # Of the foreground, in [0, 1] and a little beyond.
