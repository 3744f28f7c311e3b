# SPDX-License-Identifier: Apache-2.0
"""A sitter: one head with all work done that its views share. Its pictures cost rays and super-resolution only."""

import dataclasses
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from training.generator import Exposure, Generator
from training.types import Rendering

TOGETHER = 4  # Heads or views at once, where nobody says otherwise.
_CACHED_SIDE = 128  # A CPU is slower per view as soon as several have more pixels than a square of this side.


@dataclasses.dataclass(frozen=True, eq=False)
class Sitter:
    """One head. Everything has a batch axis of 1."""

    ws: Float[Tensor, "1 num_ws w_dim"]
    planes: Tensor
    backdrop: Tensor | None

    def behind(self, backdrop: Tensor | None) -> "Sitter":
        """The same head before another backdrop."""
        return dataclasses.replace(self, backdrop=backdrop)


def seat(G: Generator, ws: Float[Tensor, "heads num_ws w_dim"]) -> Sitter:
    """The head of these styles, before its own background."""
    if len(ws) != 1:
        raise ValueError(f"One head sits at a time, but ws has {len(ws)} rows.")
    (sitter,) = seat_each(G, ws)
    return sitter


def seat_each(
    G: Generator, ws: Float[Tensor, "heads num_ws w_dim"], *, together: int | None = None
) -> Iterator[Sitter]:
    """Each head in turn; the work that its views share is done for `together` heads at once (None: as is fastest)."""
    for some in ws.split(together or views_at_once(G)):
        with torch.no_grad():
            planes, backdrops = G.planes(some, "const"), G.backdrop(some, "const")
        for i in range(len(some)):
            one = slice(i, i + 1)
            yield Sitter(some[one], planes[one], None if backdrops is None else backdrops[one])


def views_at_once(G: Generator) -> int:
    """How many views of this size are rendered fastest, and heads prepared."""
    if not next(G.parameters()).is_cpu:
        return TOGETHER
    return max(1, min(TOGETHER, _CACHED_SIDE**2 // G.img_resolution**2))


def photograph(
    G: Generator,
    sitter: Sitter,
    labels: Float[Tensor, "views 25"],
    *,
    raw_resolution: int | None = None,
    together: int | None = None,
) -> Iterator[Rendering]:
    """Pictures under each label, `together` of them at a time (None: as is fastest), in order."""
    for exposure in exposures(G, sitter, labels, raw_resolution=raw_resolution, together=together):
        yield develop(G, sitter, exposure)


def exposures(
    G: Generator,
    sitter: Sitter,
    labels: Float[Tensor, "views 25"],
    *,
    raw_resolution: int | None = None,
    together: int | None = None,
) -> Iterator[Exposure]:
    """What the rays of each picture meet, before any backdrop."""
    for c in labels.to(sitter.ws).split(together or views_at_once(G)):
        with torch.no_grad():  # Around the work only: a generator would hold it open while others compute.
            planes = sitter.planes.expand(len(c), *sitter.planes.shape[1:])
            exposure = G.expose(sitter.ws.expand(len(c), -1, -1), c, raw_resolution, "const", planes)
        yield exposure


@torch.no_grad()
def develop(G: Generator, sitter: Sitter, exposure: Exposure) -> Rendering:
    """The pictures, before the sitter's backdrop."""
    return G.develop(exposure, backdrop=sitter.backdrop)
