# SPDX-License-Identifier: Apache-2.0
"""What an inversion is to meet: pictures with cameras, masks where there are any, and whose head each of them shows."""

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Targets:
    """Views in a row."""

    names: tuple[str, ...]  # For people.
    heads: tuple[int, ...]  # Of each view the number of its head; heads are counted from 0.
    images: Float[Tensor, "views 3 size size"]  # In [-1, 1].
    masks: Float[Tensor, "views 1 size size"] | None  # 1 where the head is.
    labels: Float[Tensor, "views 25"]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def num_heads(self) -> int:
        return max(self.heads) + 1

    def to(self, device: torch.device | str) -> "Targets":
        masks = None if self.masks is None else self.masks.to(device)
        return Targets(self.names, self.heads, self.images.to(device), masks, self.labels.to(device))

    def seen_by(self, labels: Float[Tensor, "views 25"]) -> "Targets":
        """The same pictures under other cameras."""
        return dataclasses.replace(self, labels=labels)

    def only(self, views: Sequence[int]) -> "Targets":
        """Some of the views. Heads keep their numbers."""
        if list(views) == list(range(len(self))):
            return self
        names, heads = (tuple(row[view] for view in views) for row in (self.names, self.heads))
        masks = None if self.masks is None else self.masks[list(views)]
        return Targets(names, heads, self.images[list(views)], masks, self.labels[list(views)])


def views_of_step(step: int, num_views: int, per_step: int) -> list[int]:
    """Which views a step takes: all, or some in turn."""
    if num_views <= per_step:
        return list(range(num_views))
    return sorted((step * per_step + i) % num_views for i in range(per_step))
