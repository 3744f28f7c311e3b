# SPDX-License-Identifier: Apache-2.0
"""Which heads are shown: of seeds, of inverted portraits, or two heads mixed. Each has a name for its files."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from training.generator import Generator
from training.portraits.latents import latent_for
from training.portraits.names import safe_name, unlike
from training.portraits.styles import cuts_for, mixed, styles_of_seeds


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """Styles of one head, and of what stands behind it if that is not its own."""

    name: str
    made_of: dict[str, Any]  # As a manifest tells it.
    ws: Float[Tensor, "1 num_ws w_dim"]
    ws_background: Float[Tensor, "1 num_ws w_dim"] | None = None


def heads_of_seeds(
    G: Generator, seeds: Sequence[int], conditioning: Float[Tensor, "1 25"], psi: float, cutoff: int | None
) -> list[Head]:
    """A head for each seed."""
    ws = styles_of_seeds(G, seeds, conditioning, truncation_psi=psi, truncation_cutoff=cutoff)
    return [Head(f"seed{seed:04d}", {"seed": seed}, ws[i : i + 1]) for i, seed in enumerate(seeds)]


def heads_of_mix(first: Head, second: Head, cuts: Sequence[int] | None) -> list[Head]:
    """A head for each place where the coarse styles of the first give way to the finer ones of the second."""
    cuts = cuts_for(first.ws.shape[1], cuts)
    ws = mixed(first.ws, second.ws, cuts)
    name = f"{first.name}-{second.name.removeprefix('seed')}"
    return [
        Head(f"{name}_layer{cut:02d}", {"mix": [first.made_of, second.made_of], "layer": cut}, ws[i : i + 1])
        for i, cut in enumerate(cuts)
    ]


def heads_of_files(G: Generator, files: Sequence[str]) -> list[Head]:
    """The heads of inverted portraits."""
    heads, taken = [], set[str]()
    for file in files:
        latent = latent_for(G, file)
        stem = unlike(safe_name(Path(file).stem, "latent"), taken)  # All files of a projector have the same name.
        for i, ws in enumerate(latent.ws.split(1)):
            name = stem if len(latent.ws) == 1 else unlike(f"{stem}_{i:02d}", taken)
            behind = None if latent.ws_background is None else latent.ws_background[i : i + 1]
            heads.append(Head(name, {"latent": file, "row": i}, ws, behind))
    return heads
