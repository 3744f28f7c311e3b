# SPDX-License-Identifier: Apache-2.0
"""How unlike pictures look to VGG16: Zhang et al., "The unreasonable effectiveness of deep features" (2018), LPIPS.

Maps of five depths are scaled to unit length at every place; squared differences, weighted by channel, are averaged
over places and summed over depths. Weights are a safetensors file:

    features.0.weight, features.0.bias, ...    the thirteen convolutions, numbered as torchvision does
    lin0.weight ... lin4.weight                of channels; without them all count alike
"""

from pathlib import Path
from typing import Final

import safetensors
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

# Convolutions of each depth; a depth ends where its picture is halved.
DEPTHS: Final = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
WIDTHS: Final = (64, 128, 256, 512, 512)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # Of ImageNet's colours in [0, 1].


class VggDistance:
    """Called with two batches of pictures in [-1, 1], it has a number for each pair."""

    def __init__(self, path: str | Path, device: torch.device) -> None:
        try:
            tensors = safetensors.torch.load_file(path)
        except (OSError, safetensors.SafetensorError) as error:
            raise ValueError(
                f"{path}: is no safetensors file ({error}); docs/inversion.md says what it must hold"
            ) from None
        self._tensors = {name: tensor.float().to(device) for name, tensor in tensors.items()}
        self._check(path)
        self._mean, self._std = (torch.tensor(colour, device=device)[:, None, None] for colour in (_MEAN, _STD))

    def __call__(
        self, pictures: Float[Tensor, "batch 3 h w"], targets: Float[Tensor, "batch 3 h w"]
    ) -> Float[Tensor, " batch"]:
        with torch.no_grad():
            wanted = self.maps(targets)
        total = pictures.new_zeros(len(pictures))
        for depth, (a, b) in enumerate(zip(self.maps(pictures), wanted, strict=True)):
            weight = self._tensors.get(f"lin{depth}.weight", a.new_ones(a.shape[1])).view(1, -1, 1, 1)
            total = total + ((a - b).square() * weight).sum(1).mean((1, 2))
        return total

    def maps(self, pictures: Float[Tensor, "batch 3 h w"]) -> list[Float[Tensor, "batch _ _ _"]]:
        """Of each depth, of unit length at every place."""
        x = ((pictures + 1) / 2 - self._mean) / self._std
        maps = []
        for depth, layers in enumerate(DEPTHS):
            if depth:
                x = F.max_pool2d(x, 2)
            for layer in layers:
                x = F.conv2d(
                    x, *(self._tensors[f"features.{layer}.{part}"] for part in ("weight", "bias")), padding=1
                ).relu()
            maps.append(x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt())
        return maps

    def _check(self, path: str | Path) -> None:
        width = 3
        for depth, layers in enumerate(DEPTHS):
            for layer in layers:
                self._expect(path, f"features.{layer}.weight", (WIDTHS[depth], width, 3, 3))
                self._expect(path, f"features.{layer}.bias", (WIDTHS[depth],))
                width = WIDTHS[depth]
        some = [depth for depth in range(len(DEPTHS)) if f"lin{depth}.weight" in self._tensors]
        for depth in range(len(DEPTHS)) if some else ():
            self._expect(path, f"lin{depth}.weight", (1, WIDTHS[depth], 1, 1), (WIDTHS[depth],))

    def _expect(self, path: str | Path, name: str, *shapes: tuple[int, ...]) -> None:
        found = tuple(self._tensors[name].shape) if name in self._tensors else None
        if found not in shapes:
            has = "is not there" if found is None else f"is {list(found)}"
            raise ValueError(
                f"{path}: {name} should be {list(shapes[0])} and {has}; it must hold VGG16 as docs/inversion.md says"
            )
