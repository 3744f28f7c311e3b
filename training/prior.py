# SPDX-License-Identifier: Apache-2.0
"""What is drawn for every generated image, before any network is asked.

Everything is a function of the seed, of the `phase` it is drawn for, and of the index of the image: a global image
count, one of [batch_start, batch_start + batch). Images that are drawn alone are what they are among the others, so a
batch may be split at will. Whoever swaps with another image draws that image's numbers again; nothing is sent.

Cameras are drawn, each for itself, from the labels that critics see too, and by the same weights.

Vocabulary: an image is rendered under `c`, and critics are told `c`. Its styles are mapped from (z, c'), where c' is
mostly that of another image, a *swapped* one: what a head looks like must not follow from where it is seen. From its
`crossover` on, styles may follow from a second code. Its background may have the styles of another image.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from numpy import ndarray
from torch import Tensor

from torch_utils import rng
from torch_utils.sampler import cumulative_weights
from torch_utils.transfer import to_device


@dataclasses.dataclass(frozen=True, eq=False)
class SecondCode:
    """Where the later styles of images come from."""

    z: Float[Tensor, "batch z_dim"]
    c: Float[Tensor, "batch c_dim"]
    crossover: Int64[Tensor, " batch"]  # The first style that follows from it; num_ws where none does.

    def to(self, device: torch.device, dtype: torch.dtype) -> "SecondCode":
        return SecondCode(*(_moved(x, device, dtype) for x in (self.z, self.c, self.crossover)))


@dataclasses.dataclass(frozen=True, eq=False)
class StyleInputs:
    """What the styles of images are mapped from."""

    z: Float[Tensor, "batch z_dim"]
    c: Float[Tensor, "batch c_dim"]
    second: SecondCode | None

    def to(self, device: torch.device, dtype: torch.dtype) -> "StyleInputs":
        second = None if self.second is None else self.second.to(device, dtype)
        return StyleInputs(_moved(self.z, device, dtype), _moved(self.c, device, dtype), second)


@dataclasses.dataclass(frozen=True, eq=False)
class Draw:
    """All that is drawn for images, apart from noise and samples along rays."""

    c: Float[Tensor, "batch c_dim"]
    styles: StyleInputs
    background: StyleInputs | None  # None: backgrounds have the styles of their own images.

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> "Draw":
        """All tensors moved without waiting for the device, numbers converted."""
        device = torch.device(device)
        background = None if self.background is None else self.background.to(device, dtype)
        return Draw(_moved(self.c, device, dtype), self.styles.to(device, dtype), background)


@final
class Prior:
    """Codes, and cameras of a data set. It draws on the host, so that the numbers are the same for every device."""

    def __init__(
        self,
        seed: int,
        *,
        z_dim: int,
        num_ws: int,
        labels: Float32[Tensor, "items c_dim"],
        weights: Sequence[float] | Float64[Tensor, " items"] | Float64[ndarray, " items"],
        background_swap: float,  # Probability that a background has the styles of another image.
        style_mixing: float,  # Probability that the later styles follow from a second code.
    ) -> None:
        if style_mixing > 0 and num_ws < 2:
            raise ValueError("Style mixing needs two styles, and this generator has one; set loss.style_mixing to 0.")
        is_known = labels.isfinite().all(dim=1)
        weights = torch.as_tensor(weights, dtype=torch.float64)
        if not (weights * is_known).any():
            raise ValueError(
                "No image that may be drawn has a camera label, so there is no camera to render under: add labels to "
                "dataset.json."
            )
        self.seed = seed
        self.z_dim = z_dim
        self.num_ws = num_ws
        self.labels = labels
        self.background_swap = background_swap
        self.style_mixing = style_mixing
        self.cumulative = cumulative_weights(weights * is_known, len(labels))

    def draw(
        self, phase: str, indices: Int64[Tensor, " n"], *, batch_start: int, batch: int, swap_probability: float
    ) -> Draw:
        """The images `indices` of the batch [batch_start, batch_start + batch) in one phase of a step."""
        place = _Place(self, phase, batch_start, batch, swap_probability)
        background = None
        if self.background_swap > 0:
            background = place.style_inputs(place.swap("background", indices, self.background_swap))
        return Draw(place.cameras(indices), place.style_inputs(indices), background)


def styles(
    mapping: Callable[[Tensor, Tensor], Float[Tensor, "batch num_ws w_dim"]], inputs: StyleInputs
) -> Float[Tensor, "batch num_ws w_dim"]:
    """Styles by a mapping of (z, c)."""
    ws = mapping(inputs.z, inputs.c)
    if inputs.second is None:
        return ws
    is_first = torch.arange(ws.shape[1], device=ws.device) < inputs.second.crossover[:, None]
    return torch.where(is_first[..., None], ws, mapping(inputs.second.z, inputs.second.c))


@dataclasses.dataclass(frozen=True)
class _Place:
    """One phase of one step."""

    prior: Prior
    phase: str
    batch_start: int
    batch: int
    swap_probability: float

    def style_inputs(self, indices: Int64[Tensor, " n"]) -> StyleInputs:
        c = self.cameras(self.swap("conditions", indices, self.swap_probability))
        second = self.second_code(indices) if self.prior.style_mixing > 0 else None
        return StyleInputs(self.codes("z", indices), c, second)

    def second_code(self, indices: Int64[Tensor, " n"]) -> SecondCode:
        """Mapped under the image's own camera."""
        num_ws = self.prior.num_ws
        drawn = 1 + rng.integers(self.prior.seed, self.purpose("crossover"), indices, high=num_ws - 1)
        is_mixed = self.happens("style mixing", indices, self.prior.style_mixing)
        return SecondCode(self.codes("second z", indices), self.cameras(indices), drawn.where(is_mixed, num_ws))

    def codes(self, what: str, indices: Int64[Tensor, " n"]) -> Float[Tensor, "n z_dim"]:
        return rng.normal(self.prior.seed, self.purpose(what), indices, (self.prior.z_dim,))

    def cameras(self, indices: Int64[Tensor, " n"]) -> Float[Tensor, "n c_dim"]:
        # A number in [0, items), in two parts: float32 alone would favour some of a million labels.
        whole = rng.integers(self.prior.seed, self.purpose("camera"), indices, high=len(self.prior.labels))
        rest = rng.uniform(self.prior.seed, self.purpose("camera/rest"), indices).double()
        return self.prior.labels[torch.searchsorted(self.prior.cumulative, whole + rest, right=True)]

    def swap(self, what: str, indices: Int64[Tensor, " n"], probability: float) -> Int64[Tensor, " n"]:
        """With this probability the image that each one swaps with, else the image itself."""
        purpose = self.purpose(f"{what} partner")
        partners = rng.partner(self.prior.seed, purpose, indices, self.batch_start, self.batch)
        return partners.where(self.happens(f"{what} swap", indices, probability), indices)

    def happens(self, what: str, indices: Int64[Tensor, " n"], probability: float) -> Bool[Tensor, " n"]:
        return rng.uniform(self.prior.seed, self.purpose(what), indices) < probability

    def purpose(self, what: str) -> str:
        return f"{self.phase}/{what}"


def _moved(x: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return to_device(x.to(dtype) if x.is_floating_point() else x, device)
