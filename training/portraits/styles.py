# SPDX-License-Identifier: Apache-2.0
"""Styles of heads: those of seeds, and those of two heads mixed."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from training.generator import Generator
from training.portraits.seeds import z_of_seeds

PUBLISHED_CUTS = (0, 2, 3, 4, 6, 8)


@torch.no_grad()
def styles_of_seeds(
    G: Generator,
    seeds: Sequence[int],
    conditioning: Float[Tensor, "1 25"],
    *,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
) -> Float[Tensor, "seeds num_ws w_dim"]:
    """Styles of seeds, all for one camera."""
    device = next(G.parameters()).device
    z, c = z_of_seeds(seeds, G.z_dim).to(device), conditioning.to(device)
    return G.mapping(z, c.expand(len(z), -1), truncation_psi, truncation_cutoff)


def cuts_for(num_ws: int, cuts: Sequence[int] | None) -> list[int]:
    """Where two heads may change over; the published places that a generator has, where none are given."""
    if cuts is None:
        return [cut for cut in (*PUBLISHED_CUTS, num_ws) if cut <= num_ws]
    wrong = [cut for cut in cuts if not 0 <= cut <= num_ws]
    if wrong or not cuts:
        named = f"not {wrong[0]}" if wrong else "and at one place at least"
        raise ValueError(f"This generator has {num_ws} styles: mix from 0 to {num_ws}, {named}.")
    return list(cuts)


def mixed(
    first: Float[Tensor, "1 num_ws w_dim"], second: Float[Tensor, "1 num_ws w_dim"], cuts: Sequence[int]
) -> Float[Tensor, "cuts num_ws w_dim"]:
    """For each cut, the coarse styles of the first head before it and the finer ones of the second from there on."""
    return torch.cat([torch.cat([first[:, :cut], second[:, cut:]], dim=1) for cut in cuts])
