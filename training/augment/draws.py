# SPDX-License-Identifier: Apache-2.0
"""The random numbers of augmentation: for every image and transform whether it fires, and with what parameters.

All numbers are drawn at once and looked up by the name of their slot. A slot always has the same numbers, whatever else
is switched on, so changing one strength leaves every other transform of every image as it was.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from torch_utils import rng

# New slots go to the end: the numbers of the others then stay.
_SLOTS = (
    *("x_flip", "quarter_turn", "pixel_shift", "scale", "rotation_before", "stretch", "rotation_after", "shift"),
    *("brightness", "contrast", "luma_flip", "hue", "saturation"),
    *("band_0", "band_1", "band_2", "band_3", "noise", "cutout"),
)
_PLACE = {name: place for place, name in enumerate(_SLOTS)}


class Draws:
    """Numbers for images of a batch, by global index."""

    def __init__(
        self, seed: int, purpose: str, index: Int64[Tensor, " batch"], p: Float[Tensor, ""], dtype: torch.dtype
    ) -> None:
        self.seed, self.purpose, self.index, self.p = seed, purpose, index, p
        uniforms = rng.uniform(seed, f"{purpose} uniform", index, (len(_SLOTS), 3))
        self._fire = uniforms[..., 0]
        self._uniform = uniforms[..., 1:].to(dtype)
        self._normal = rng.normal(seed, f"{purpose} normal", index, (len(_SLOTS), 2)).to(dtype)

    def fires(self, slot: str, strength: float) -> Bool[Tensor, " batch"]:
        """With probability strength * p: never at 0, always at 1."""
        return self._fire[:, _PLACE[slot]] < strength * self.p

    def fires_apart(self, slot: str, strength: float) -> Bool[Tensor, " batch"]:
        """As one of two slots of which neither fires with probability 1 - strength * p."""
        return self._fire[:, _PLACE[slot]] < 1 - torch.sqrt(1 - strength * self.p)

    def uniform(self, slot: str) -> Float[Tensor, "batch 2"]:
        """In [0, 1)."""
        return self._uniform[:, _PLACE[slot]]

    def normal(self, slot: str) -> Float[Tensor, "batch 2"]:
        """Mean 0, deviation 1."""
        return self._normal[:, _PLACE[slot]]

    def noise(self, shape: tuple[int, ...]) -> Float[Tensor, " batch *shape"]:
        """Mean 0, deviation 1, as many as a picture has numbers."""
        return rng.normal(self.seed, f"{self.purpose} noise", self.index, shape).to(self._normal.dtype)


def may_hold_any(flags: Bool[Tensor, " batch"]) -> bool:
    """Whether work on the flagged images may be needed. Other devices than a CPU would have to be waited for: yes."""
    return flags.device.type != "cpu" or bool(flags.any())


def per_image(values: Tensor) -> Tensor:
    """[N] to [N, 1, 1, 1], to meet pictures."""
    return values[:, None, None, None]
