# SPDX-License-Identifier: Apache-2.0
"""Detectors by name: those that need no file, and those whose files the user has named. Each is opened once.

HeadNet stands in for the detectors of faces and of heads where the user names none; records say so.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, final

import torch

from dnnlib.text import nearest
from metrics.detectors.base import Detector, HeadDetector
from metrics.detectors.files import FileDetector, FileHeads
from metrics.detectors.options import DetectorOptions
from metrics.detectors.thumbnails import Thumbnails
from metrics.names import BUILT_IN, KINDS, STAND_INS, Wanted

if TYPE_CHECKING:
    from metrics.headnet import HeadNet

_WHAT = {
    "inception": "Inception-v3, by whose 2048 features FID and KID are defined",
    "classes": "Inception-v3, by whose class probabilities the Inception score is defined",
    "vgg16": "VGG16, with 4096 features",
    "lpips": "a network whose squared differences of features are a perceptual distance",
}


@final
class DetectorShop:
    """Opens detectors on a device."""

    def __init__(self, files: Sequence[DetectorOptions], device: torch.device) -> None:
        self._files = {options.name: options for options in files}
        if len(self._files) < len(files):
            raise ValueError("--detector: two files have one name; give each its own")
        if taken := [name for name in BUILT_IN if name in self._files]:
            raise ValueError(f"--detector={taken[0]}: is the name of a detector without a file; choose another one")
        self._device = device
        self._open: dict[str, Detector | HeadDetector] = {}

    def prepare(self, wanted: Sequence[Wanted]) -> None:
        """Opens all that these metrics look through, so that a wrong file is told of before any work."""
        openers = {"features": self.features, "embedding": self.faces, "mask": self.heads}
        for each in wanted:
            if each.detector is not None:
                openers[KINDS[each.kind].needs](each.detector)

    def features(self, name: str) -> Detector:
        """The detector for `fd..._NAME` and the like."""
        if name == "thumbs":
            return Thumbnails()
        if name == "headnet":
            from metrics.detectors.headnet import HeadNetFeatures  # noqa: PLC0415 - weights of a few MB

            return HeadNetFeatures(self._headnet)
        if name == "headnetyaw":
            from metrics.detectors.headnet import HeadNetYaw  # noqa: PLC0415

            return HeadNetYaw(self._headnet)
        if name == "headnethair":
            from metrics.detectors.headnet import HeadNetHair  # noqa: PLC0415

            return HeadNetHair(self._headnet)
        return self._opened(name, FileDetector)

    def faces(self, name: str) -> Detector:
        """The detector whose features say who somebody is."""
        if self._is_headnet(name):
            from metrics.detectors.headnet import HeadNetFaces  # noqa: PLC0415

            return HeadNetFaces(self._headnet)
        return self.features(name)

    def heads(self, name: str) -> HeadDetector:
        """The detector of masks."""
        if self._is_headnet(name):
            from metrics.detectors.headnet import HeadNetHeads  # noqa: PLC0415

            return HeadNetHeads(self._headnet)
        return self._opened(name, FileHeads)

    @cached_property
    def _headnet(self) -> "HeadNet":
        from metrics.headnet import load_headnet  # noqa: PLC0415

        return load_headnet(self._device)

    def _is_headnet(self, name: str) -> bool:
        return name not in self._files and STAND_INS.get(name, name) == "headnet"

    def _opened(self, name: str, kind: type) -> Detector | HeadDetector:
        if name not in self._open:
            self._open[name] = kind(self._options(name), self._device)
        return self._open[name]

    def _options(self, name: str) -> DetectorOptions:
        if name in self._files:
            return self._files[name]
        what = f", which is {_WHAT[name]}" if name in _WHAT else ""
        close = nearest(name, [*self._files, *BUILT_IN])
        meant = f" Did you mean {close}?" if close else ""
        raise ValueError(
            f"there is no detector {name}{what}. Name its file: --detector={name}=FILE, ONNX or TorchScript; "
            f"docs/metrics.md says where people get them.{meant}"
        )
