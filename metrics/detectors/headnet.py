# SPDX-License-Identifier: Apache-2.0
"""HeadNet as a detector: its features, its embedding of faces, its masks. It needs no file of the user's."""

import math
from abc import abstractmethod
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from metrics.detectors.base import Detector, HeadDetector
from metrics.headnet import HeadNet
from metrics.headnet.pictures import RESIZE

FACE_YAW_RAD = math.radians(75)
_LEAST_HEAD = 0.02  # Share of a picture that a head has at least.


def _facts(net: HeadNet, name: str) -> dict[str, Any]:
    return {"name": name, "digest": net.digest, "size": 64, "resize": RESIZE}


@final
class HeadNetFeatures(Detector):
    """For distances."""

    name = "headnet"

    def __init__(self, net: HeadNet) -> None:
        self._net = net
        self.digest = net.digest

    def features(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 376"]:
        return self._net.features(images)

    def look(self, images: Float32[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 376"]:
        return self._net.features(images / 127.5 - 1)

    @property
    def facts(self) -> dict[str, Any]:
        return _facts(self._net, self.name)


class _Reading(Detector):
    """What HeadNet tells of a picture of 8 bits, for it was trained on those."""

    reads: ClassVar[str]

    def __init__(self, net: HeadNet) -> None:
        self._net = net
        self.digest = f"{net.digest} {self.reads}"

    @abstractmethod
    def features(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n features"]:
        """To be written: those of `Detector` come from `look`, which here asks for features."""

    def look(self, images: Float32[Tensor, "n 3 height width"]) -> Float32[Tensor, "n features"]:
        return self.features(images.round().clamp(0, 255).byte())

    @property
    def facts(self) -> dict[str, Any]:
        return _facts(self._net, self.name) | {"digest": self.digest}


@final
class HeadNetYaw(_Reading):
    """Cosine and sine of the side that a picture shows."""

    name = "headnetyaw"
    reads = "yaw"

    def features(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 2"]:
        yaw_rad = self._net.yaw_rad(images)
        return torch.stack([yaw_rad.cos(), yaw_rad.sin()], dim=1)


@final
class HeadNetHair(_Reading):
    """Probabilities of the hair styles, which HeadNet tells best of all kinds: classes for a score like Inception's."""

    name = "headnethair"
    reads = "hair_style"

    def features(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 8"]:
        return self._net.attributes(images)["hair_style"]


@final
class HeadNetFaces(_Reading):
    """Embeddings of faces; NaN of a picture in which HeadNet sees no head, or one that looks away."""

    name = "headnet"
    reads = "identity"

    def features(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 128"]:
        is_there = self._net.mask(images).mean(dim=(1, 2, 3)) > _LEAST_HEAD
        is_face = is_there & (self._net.yaw_rad(images).abs() < FACE_YAW_RAD)
        return torch.where(is_face[:, None], self._net.identity(images), torch.nan)


@final
class HeadNetHeads(HeadDetector):
    """Masks of heads."""

    name = "headnet"

    def __init__(self, net: HeadNet) -> None:
        self._net = net
        self.digest = f"{net.digest} mask"

    def masks(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 1 height width"]:
        return self._net.mask(images)

    @property
    def facts(self) -> dict[str, Any]:
        return _facts(self._net, self.name) | {"digest": self.digest}
