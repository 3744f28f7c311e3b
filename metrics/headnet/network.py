# SPDX-License-Identifier: Apache-2.0
"""The network: five levels of convolutions, and small heads that read from them.

Vocabulary: a *map* is the output of a level, [N, channels, side, side], from 64 x 64 pixels with few channels to 4 x 4
with many. The *embedding* sums the last map up; side, identity and attributes are read from it. *Features* are the
means of all maps, shifted and scaled so that each has mean 0 and deviation 1 over clean procedural heads: fine levels
tell blur and noise, coarse ones tell what is shown.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from metrics.headnet import pictures
from metrics.headnet.attributes import KINDS, NUMBERS
from metrics.headnet.pictures import Images, prepared

CHANNELS = (16, 24, 48, 96, 192)
NUM_FEATURES = sum(CHANNELS)
EMBEDDING = 256
IDENTITY = 128
# Larger pictures are also compared at these sizes, by the maps that see edges and texture.
_FINER_SIDES = (128, 256)
_FINE_LEVELS = 3


class Reading(NamedTuple):
    """What the heads say of pictures, as it is trained."""

    direction: Float[Tensor, "n 2"]  # Cosine and sine of the yaw; shorter than 1 where the side is unsure.
    identity: Float[Tensor, "n 128"]
    numbers: Float[Tensor, "n numbers"]  # Each with mean 0 and deviation 1 over the training set.
    kinds: dict[str, Float[Tensor, "n kinds"]]  # Logits.
    mask_logits: Float[Tensor, "n 1 64 64"]


@final
class HeadNet(nn.Module):
    """See the package. `digest` is of the weights, as their file says; it is empty while they are being trained."""

    name = "headnet"
    num_features = NUM_FEATURES

    def __init__(self, digest: str = "") -> None:
        super().__init__()
        self.digest = digest
        stem = nn.Sequential(*_convolution(3, CHANNELS[0]), nn.SiLU())
        coarser = [_Level(fine, coarse) for fine, coarse in itertools.pairwise(CHANNELS)]
        self.levels = nn.ModuleList([stem, *coarser])
        # Quarters instead of the mean over all: what is to the left and right tells the side.
        self.embedding = nn.Sequential(
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * CHANNELS[-1], EMBEDDING, bias=False),
            nn.BatchNorm1d(EMBEDDING),
            nn.SiLU(),
        )
        self.direction_head = nn.Linear(EMBEDDING, 2)
        self.identity_head = nn.Linear(EMBEDDING, IDENTITY)
        self.numbers_head = nn.Linear(EMBEDDING, len(NUMBERS))
        self.kinds_heads = nn.ModuleDict({name: nn.Linear(EMBEDDING, len(kinds)) for name, kinds in KINDS.items()})
        self.mask_head = _MaskHead()
        self.register_buffer("feature_mean", torch.zeros(NUM_FEATURES))
        self.register_buffer("feature_std", torch.ones(NUM_FEATURES))
        self.register_buffer("map_std", torch.ones(NUM_FEATURES))
        self.register_buffer("number_mean", torch.zeros(len(NUMBERS)))
        self.register_buffer("number_std", torch.ones(len(NUMBERS)))

    def forward(self, x: Float[Tensor, "n 3 64 64"]) -> Reading:
        """All heads, of prepared pictures."""
        maps = self.maps(x)
        return self._read(self.embedding(maps[-1]), self.mask_head(maps))

    def maps(self, x: Float[Tensor, "n 3 h w"], levels: int = len(CHANNELS)) -> list[Float[Tensor, "n _ _ _"]]:
        """Outputs of the first levels, of pictures in [-1, 1] whose sides are multiples of 16."""
        x = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for level in self.levels[:levels]:
            x = level(x)
            maps.append(x)
        return maps

    def features(self, images: Images) -> Float[Tensor, "n 376"]:
        """For distances between sets."""
        means = torch.cat([level.mean(dim=(2, 3)) for level in self.maps(prepared(images))], dim=1)
        return (means - self.feature_mean) / self.feature_std

    def identity(self, images: Images) -> Float[Tensor, "n 128"]:
        """Of length 1. The cosine of two is their product."""
        return F.normalize(self.identity_head(self._embedding(images)), dim=1)

    def yaw_rad(self, images: Images) -> Float[Tensor, " n"]:
        """Azimuth of the camera in (-pi, pi]: 0 sees the face, and positive ones the subject's left side."""
        cosine, sine = self.direction_head(self._embedding(images)).unbind(dim=1)
        return torch.atan2(sine, cosine)

    def mask(self, images: Images) -> Float[Tensor, "n 1 side side"]:
        """Where the head and what it wears are: 0 to 1, as large as the picture."""
        mask = self.mask_head(self.maps(prepared(images))).sigmoid()
        return pictures.resized(mask, images.shape[-1]).clamp(0, 1)

    def attributes(self, images: Images) -> dict[str, Float[Tensor, " n *kinds"]]:
        """Probabilities of kinds, in the order of KINDS, and numbers in their units."""
        embedding = self._embedding(images)
        numbers = self.numbers_head(embedding) * self.number_std + self.number_mean
        kinds = {name: head(embedding).softmax(dim=1) for name, head in self.kinds_heads.items()}
        return kinds | dict(zip(NUMBERS, numbers.unbind(dim=1), strict=True))

    def perceptual(self, a: Images, b: Images) -> Float[Tensor, " n"]:
        """How unlike pairs of pictures look: 0 for equal ones, about 2 for unrelated ones.

        The mean square of the difference of all maps, each channel measured by its deviation. Pictures are compared at
        64 x 64 by all levels, and at 128 x 128 and 256 x 256, as far as they are so large, by the three finest.
        """
        if a.shape != b.shape:
            raise ValueError(f"pictures of {list(a.shape)} cannot be compared with {list(b.shape)}: give pairs alike")
        terms = self._unlike(prepared(a), prepared(b), len(CHANNELS))
        for side in _FINER_SIDES:
            if side <= a.shape[-1]:
                fine_a, fine_b = (pictures.resized(_signed(images), side) for images in (a, b))
                terms += self._unlike(fine_a, fine_b, _FINE_LEVELS)
        return torch.stack(terms).mean(dim=0)

    def per_map(self, channels: Float[Tensor, " 376"]) -> list[Float[Tensor, "_ 1 1"]]:
        """Numbers of all channels, as each map can be multiplied by them."""
        return [part[:, None, None] for part in channels.split(CHANNELS)]

    def _unlike(self, a: Tensor, b: Tensor, levels: int) -> list[Float[Tensor, " n"]]:
        pairs = zip(self.maps(a, levels), self.maps(b, levels), self.per_map(self.map_std)[:levels], strict=True)
        return [((x - y) / std).square().mean(dim=(1, 2, 3)) for x, y, std in pairs]

    def _embedding(self, images: Images) -> Float[Tensor, "n 256"]:
        return self.embedding(self.maps(prepared(images))[-1])

    def _read(self, embedding: Tensor, mask_logits: Tensor) -> Reading:
        return Reading(
            self.direction_head(embedding),
            F.normalize(self.identity_head(embedding), dim=1),
            self.numbers_head(embedding),
            {name: head(embedding) for name, head in self.kinds_heads.items()},
            mask_logits,
        )


class _Level(nn.Module):
    """Half the side, more channels, and one residual block."""

    def __init__(self, fine: int, coarse: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.AvgPool2d(2), *_convolution(fine, coarse), nn.SiLU())
        self.branch = nn.Sequential(*_convolution(coarse, coarse), nn.SiLU(), *_convolution(coarse, coarse))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return F.silu(x + self.branch(x))


class _MaskHead(nn.Module):
    """From coarse to fine, every map is reduced to a few channels and added."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in CHANNELS)
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        *finer, x = [reduce(level) for reduce, level in zip(self.reduce, maps, strict=True)]
        for fine in reversed(finer):
            x = fine + F.silu(F.interpolate(x, scale_factor=2, mode="bilinear"))
        return self.last(F.silu(x))


def _convolution(before: int, after: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)


def _signed(images: Images) -> Float[Tensor, "n 3 side side"]:
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images
