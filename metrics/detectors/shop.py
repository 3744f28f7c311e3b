# SPDX-License-Identifier: Apache-2.0
"""Detectors by name: those that need no file, and those whose files the user has named. Each is opened once."""

from collections.abc import Sequence
from typing import final

import torch

from dnnlib.text import nearest
from metrics.detectors.base import Detector, HeadDetector
from metrics.detectors.files import FileDetector, FileHeads
from metrics.detectors.options import DetectorOptions
from metrics.detectors.thumbnails import Thumbnails

_WHAT = {
    "inception": "Inception-v3, whose features FID, KID are defined by (2048 numbers)",
    "classes": "Inception-v3, whose class probabilities the Inception score is defined by",
    "vgg16": "VGG16 (4096 features)",
    "lpips": "a network whose squared differences of features are a perceptual distance",
    "face": "a network that embeds faces, such as AdaFace or ArcFace",
    "segmentation": "a network that finds people or heads in pictures",
}


@final
class DetectorShop:
    """Opens detectors on a device."""

    def __init__(self, files: Sequence[DetectorOptions], device: torch.device) -> None:
        self._files = {options.name: options for options in files}
        if len(self._files) < len(files):
            raise ValueError("--detector: two files have one name; give each its own")
        self._device = device
        self._open: dict[str, Detector | HeadDetector] = {}

    def features(self, name: str) -> Detector:
        """The detector for `fd..._NAME` and the like."""
        if name == "thumbs":
            return Thumbnails()
        return self._opened(name, FileDetector)

    def heads(self, name: str) -> HeadDetector:
        """The detector of masks."""
        return self._opened(name, FileHeads)

    def _opened(self, name: str, kind: type) -> Detector | HeadDetector:
        if name not in self._open:
            self._open[name] = kind(self._options(name), self._device)
        return self._open[name]

    def _options(self, name: str) -> DetectorOptions:
        if name in self._files:
            return self._files[name]
        what = f", which is {_WHAT[name]}" if name in _WHAT else ""
        close = nearest(name, self._files)
        meant = f" Did you mean {close}?" if close else ""
        raise ValueError(
            f"there is no detector {name}{what}. Name its file: --detector={name}=FILE, ONNX or TorchScript; "
            f"docs/metrics.md says where people get them.{meant}"
        )
