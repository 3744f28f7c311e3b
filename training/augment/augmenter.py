# SPDX-License-Identifier: Apache-2.0
"""All transforms in their order, on everything a critic is shown: geometry, colours, bands, noise, hole.

A picture that no transform fires for passes bit by bit, and what happens to one does not depend on the others of its
batch. Gradients of every order exist. Nothing is brought from the device to the host or back.
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from training.augment import bands
from training.augment.bands import amplify, draw_gains
from training.augment.colour import draw_colour, recolour
from training.augment.config import AugmentConfig
from training.augment.corruption import add_noise, cut_out, draw_hole, draw_noise
from training.augment.draws import Draws, may_hold_any
from training.augment.geometry import Motion, draw_motion
from training.augment.warp import low_pass, move
from training.cameras import LABEL_DIM, camera_from_label, label_from_camera, mirror

COLOURED = ("image", "image_raw")
PICTURES = (*COLOURED, "image_mask")


class Augmenter:
    """Transforms of one run on one device."""

    def __init__(self, config: AugmentConfig, *, seed: int, device: torch.device | str) -> None:
        self.config = config
        self.seed = seed
        # Constants are brought to the device once.
        self._taps = low_pass(device, torch.float64)
        self._filters = [bands.split_filters(num).to(device) for num in range(1, bands.NUM_BANDS + 1)]
        ends = torch.stack([torch.zeros(LABEL_DIM), torch.ones(LABEL_DIM)])
        mirrored = label_from_camera(mirror(camera_from_label(ends)))
        self._label_offset = mirrored[0].to(device)
        self._label_sign = (mirrored[1] - mirrored[0]).to(device)

    def __call__(
        self,
        pictures: Mapping[str, Tensor],
        conditions: Mapping[str, Float[Tensor, "batch _"]],
        *,
        p: Float[Tensor, ""],
        index: Int64[Tensor, " batch"],
        purpose: str,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Pictures and conditions as the critic is to see them; what it does not see, such as depth, is left out."""
        pictures = {name: pictures[name] for name in PICTURES if name in pictures}
        conditions = dict(conditions)
        if self.config.mode == "none":
            return pictures, conditions
        strengths, image = self.config.transforms, pictures["image"]
        assert len(index) == len(image), f"{len(index)} indices for {len(image)} images"
        draws = Draws(self.seed, f"augment {purpose}", index, p, torch.promote_types(image.dtype, torch.float32))

        motion = draw_motion(draws, strengths, image.shape[-1])
        if strengths.x_flip > 0:
            conditions = {name: self._mirrored(name, values, motion) for name, values in conditions.items()}
        pictures = self._moved(pictures, motion)

        coloured = {name: pictures[name] for name in COLOURED if name in pictures}
        colour = draw_colour(draws, strengths)
        coloured = {name: recolour(x, colour) for name, x in coloured.items()}
        if strengths.bands > 0:
            gains = draw_gains(draws, strengths)
            coloured = {name: amplify(x, gains, self._filters_of(x, image)) for name, x in coloured.items()}
        if strengths.noise > 0:
            noise = draw_noise(draws, strengths, image.shape)
            coloured = {name: add_noise(x, noise) for name, x in coloured.items()}
        if strengths.cutout > 0:
            hole = draw_hole(draws, strengths)
            coloured = {name: cut_out(x, hole) for name, x in coloured.items()}
        return pictures | coloured, conditions

    def _mirrored(self, name: str, values: Tensor, motion: Motion) -> Tensor:
        if name != "camera":
            raise ValueError(
                f"It is not known how the condition {name!r} changes when a picture is mirrored: switch this off with "
                "augment.transforms.x_flip=0."
            )
        mirrored = values * self._label_sign + self._label_offset
        return torch.where(motion.is_mirrored[:, None], mirrored, values)

    def _moved(self, pictures: dict[str, Tensor], motion: Motion) -> dict[str, Tensor]:
        if not may_hold_any(motion.is_on_grid | motion.is_free):
            return pictures
        moved = {}
        for size in {x.shape[-1] for x in pictures.values()}:
            # Those of one size go together: raw and mask.
            names = [name for name, x in pictures.items() if x.shape[-1] == size]
            parts = [pictures[name] for name in names]
            together = move(torch.cat(parts, dim=1), motion, self._taps)
            moved |= zip(names, together.split([x.shape[1] for x in parts], dim=1), strict=True)
        return {name: moved[name] for name in pictures}

    def _filters_of(self, x: Tensor, image: Tensor) -> Tensor:
        octaves_less = round(math.log2(image.shape[-1] / x.shape[-1]))
        return self._filters[max(bands.NUM_BANDS - max(octaves_less, 0), 1) - 1]
