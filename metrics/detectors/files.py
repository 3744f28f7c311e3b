# SPDX-License-Identifier: Apache-2.0
"""Detectors in files: ONNX, which is data, or TorchScript, which is a program that can do what any program can.

A file is tried on *probe* pictures before any work: a wrong size, signature or range shows there, and not as a number
that looks like a result.
"""

import hashlib
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from metrics.detectors.base import Detector, HeadDetector
from metrics.detectors.options import FEATURES, DetectorOptions, Range
from torch_utils import rng
from training.data.making.network_files import Network, open_network
from training.data.making.segmenter import MaskOptions, Segmenter

_NUM_PROBES = 3
_SIDE = 64  # Of probes for detectors that take any size.
_AGREE = 1e-3
_RESIZE = "bicubic by Pillow, 8 bits"  # What the segmenter does.

_MEAN_STD: dict[Range, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..255": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "0..1": ((0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
    "-1..1": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


class DetectorError(ValueError):
    """A file that cannot be the detector it is given as. Says why and what to do."""


@final
class FileDetector(Detector):
    """Features by the network of a file. Of an output that is a picture the mean over the picture is taken."""

    def __init__(self, options: DetectorOptions, device: torch.device) -> None:
        path = options.file()
        self.name = options.name
        self.digest = digest_of(path, options)
        self._options = options
        self._network = open_network(path, "cuda" if device.type == "cuda" else "cpu", options.flags)
        if self._network.size and options.size and self._network.size != options.size:
            raise DetectorError(
                f"--detector={self.name}: {path} takes pictures of {self._network.size} x {self._network.size}, not of "
                f"{options.size}; write #size={self._network.size}"
            )
        self.size = self._network.size or options.size
        self._check(path)

    def look(self, images: Float32[Tensor, "n 3 height width"]) -> Float32[Tensor, "n features"]:
        output = self._run(images)
        if output.ndim == 4:
            output = output.mean(dim=(2, 3))
        if output.ndim != 2 or len(output) != len(images):
            raise DetectorError(
                f"--detector={self.name}: gives {list(output.shape)} for {len(images)} pictures, not one row of "
                "features for each; export the network so that its first output is [pictures, features]"
            )
        return output

    def _run(self, images: Tensor) -> Tensor:
        mean, std = (images.new_tensor(x)[:, None, None] for x in _MEAN_STD[self._options.range])
        inputs = (images - mean) / std
        inputs = (inputs if self._options.order == "rgb" else inputs.flip(1)).cpu().numpy()
        fixed = self._network.batch
        if fixed is None or fixed == len(inputs):
            return torch.from_numpy(self._network.run(inputs)).float()
        rows = []
        for part in torch.from_numpy(inputs).split(fixed):
            whole = torch.cat([part, part[-1:].expand(fixed - len(part), -1, -1, -1)])
            rows.append(torch.from_numpy(self._network.run(whole.numpy())).float()[: len(part)])
        return torch.cat(rows)

    def _check(self, path: Path) -> None:
        pictures = probes(self.size or _SIDE)
        together = self.look(pictures)
        where = f"--detector={self.name}: {path}"
        if together.shape[1] != (wanted := FEATURES.get(self.name, together.shape[1])):
            raise DetectorError(
                f"{where} gives {together.shape[1]} features, and distances that are named after {self.name} are of "
                f"{wanted}; some files give them with #flags=return_features. Or name it otherwise, and the distance fd"
            )
        if not together.isfinite().all():
            raise DetectorError(
                f"{where} gives numbers that are not finite for pictures in {self._options.range}; is that the range "
                "it was made for? Say so with #range="
            )
        scale = together.abs().max().clamp(min=1e-12)
        apart = torch.cat([self.look(picture[None]) for picture in pictures])
        if not (together - apart).abs().max() <= _AGREE * scale:
            raise DetectorError(
                f"{where} gives a picture other features when others are beside it, as networks do that were exported "
                "in training mode; export it after .eval()"
            )
        if (together - together[0]).abs().max() <= 1e-6 * scale:
            raise DetectorError(
                f"{where} gives the same features for different pictures in {self._options.range}; is that the range "
                "it was made for? Say so with #range="
            )


@final
class FileHeads(HeadDetector):
    """Masks by the segmentation network of a file; its output is read as `dataset_tool.py masks` reads it."""

    def __init__(self, options: DetectorOptions, device: torch.device) -> None:
        if options.range == "0..255" or options.order != "rgb":
            raise DetectorError(
                f"--detector={options.name}: a segmentation takes RGB in 0..1, -1..1 or imagenet, not "
                f"{options.order.upper()} in {options.range}; export it so"
            )
        path = options.file()
        self.name = options.name
        self.digest = digest_of(path, options)
        network: Network = open_network(path, "cuda" if device.type == "cuda" else "cpu", options.flags)
        size = None if network.size else options.size
        self._segmenter = Segmenter(network, MaskOptions(size, options.range, options.classes))

    def masks(self, images: UInt8[Tensor, "n 3 height width"]) -> Float32[Tensor, "n 1 height width"]:
        pictures = [image.permute(1, 2, 0).cpu().numpy() for image in images]
        found = []
        for start in range(0, len(pictures), self._segmenter.batch):
            found += self._segmenter.masks(pictures[start : start + self._segmenter.batch])
        return torch.stack([torch.from_numpy(mask) for mask in found])[:, None].float() / 255

    @property
    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "digest": self.digest, "size": self._segmenter.size, "resize": _RESIZE}


def digest_of(path: Path, options: DetectorOptions) -> str:
    """Of the file's bytes and of what decides how pictures are given to it."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    given = {"range": options.range, "order": options.order, "flags": options.flags, "classes": options.classes}
    said = ",".join(f"{key}={value}" for key, value in given.items() if value)
    return f"sha256:{digest.hexdigest()} {said}"


def probes(size: int) -> Float32[Tensor, "n 3 size size"]:
    """Pictures that no two sensible features hold for the same: soft colours, stripes, noise."""
    across = torch.linspace(0, 1, size)
    soft = torch.stack([across.expand(size, size), across[:, None].expand(size, size), torch.full((size, size), 0.4)])
    stripes = (torch.sin(across * 40) > 0).float().expand(3, size, size)
    noise = rng.uniform(0, "probe", torch.tensor([0]), (3, size, size))[0]
    return (torch.stack([soft, stripes, noise]) * 255).round()
