# SPDX-License-Identifier: Apache-2.0
"""Which item of a dataset is the image at a given position of a run.

Vocabulary: a *position* is a global image count, the nimg of that image. Epoch e holds the positions from e * size up
to (e + 1) * size. The item at a position is a pure function of (seed, position), found without an array: a run goes on
exactly where it stopped, under any number of ranks, and a million items start as fast as ten.

Without weights every epoch is a permutation. With weights the draws of an epoch are stratified, not independent: item i
comes size * w_i / sum(w) times on average, and in no epoch more than one time off that and its rounding, so a rare item
does not vanish by bad luck. Equal weights give the permutation again.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.utils.data import Sampler

from torch_utils import rng

# For 5 to 7 items, where all orders can be counted, 8 and 12 rounds favour some; 24 pass a chi-square test.
NUM_ROUNDS = 24
# Positions worked out at a time: about 5 ms of work.
BLOCK = 2048


def share(batch: int, rank: int, world_size: int) -> range:
    """The places in a global batch that belong to a rank: equal shares, in the order of the ranks."""
    if batch < 1 or batch % world_size:
        lower = batch // world_size * world_size
        nearest = " or ".join(str(b) for b in (lower, lower + world_size) if b > 0)
        raise ValueError(
            f"A global batch of {batch} cannot be shared equally by {world_size} processes: use a batch of {nearest}."
        )
    part = batch // world_size
    return range(rank * part, (rank + 1) * part)


def permute(places: Int64[Tensor, " n"], epochs: Int64[Tensor, " n"], size: int, key: int) -> Int64[Tensor, " n"]:
    """A keyed bijection of [0, size) for each epoch, at the given places.

    A Feistel network permutes the smallest power of two that holds size. A result outside [0, size) is permuted again
    until it falls inside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002): at most half of the domain
    is outside, so two passes are the average at worst.
    """
    num_bits = (size - 1).bit_length()
    result = _feistel(places, epochs, num_bits, key)
    while len(outside := (result >= size).nonzero()[:, 0]):
        result[outside] = _feistel(result[outside], epochs[outside], num_bits, key)
    return result


def items_at(
    positions: Int64[Tensor, " n"], size: int, seed: int, cumulative: Float64[Tensor, " size"] | None = None
) -> Int64[Tensor, " n"]:
    """The items at positions. `cumulative` is what `cumulative_weights` gives."""
    epochs, places = positions // size, positions % size
    strata = permute(places, epochs, size, rng.key_of(seed, "dataset order"))
    if cumulative is None:
        return strata
    # The middle of a 2^-24 cell: never exactly on the edge between two items, where rounding would decide.
    inside = rng.uniform(seed, "dataset stratum", positions).double() + 2**-25
    return torch.searchsorted(cumulative, strata + inside, right=True)


def cumulative_weights(weights: Sequence[float] | Tensor, size: int) -> Float64[Tensor, " size"]:
    """Running sum of the weights, scaled to end at size."""
    weights = torch.as_tensor(weights, dtype=torch.float64, device="cpu")
    if weights.shape != (size,):
        raise ValueError(
            f"{size} items need {size} sampling weights in a list; the shape given is {list(weights.shape)}."
        )
    if len(bad := (~(weights.isfinite() & (weights >= 0))).nonzero()):
        index = bad[0].item()
        raise ValueError(
            f"Sampling weight {index} is {weights[index].item()}: weights must be finite and not negative."
        )
    if not (total := weights.sum()) > 0 or not total.isfinite():
        raise ValueError(
            f"The sampling weights sum to {total.item()}: at least one must be above zero, the sum finite."
        )
    cumulative = weights.cumsum(0)
    return cumulative / cumulative[-1] * size


class InfiniteSampler(Sampler[int]):
    """One rank's items, in order, from `start_nimg` for ever. For a DataLoader with batch_size batch / world_size."""

    def __init__(
        self,
        size: int,
        *,
        seed: int,
        batch: int,
        start_nimg: int = 0,
        rank: int = 0,
        world_size: int = 1,
        weights: Sequence[float] | Tensor | None = None,
    ):
        if size < 1:
            raise ValueError("The dataset is empty: there is nothing to sample from.")
        if start_nimg < 0:
            raise ValueError(f"start_nimg is {start_nimg}: it counts the images seen so far, so it is at least 0.")
        assert 0 <= rank < world_size
        self.size = size
        self.seed = seed
        self.batch = batch
        self.start_nimg = start_nimg
        self.places = share(batch, rank, world_size)
        self.cumulative = None if weights is None else cumulative_weights(weights, size)

    def __iter__(self) -> Iterator[int]:
        places = torch.arange(self.places.start, self.places.stop)
        num_batches = max(BLOCK // len(places), 1)
        batch_starts = self.start_nimg + self.batch * torch.arange(num_batches)
        while True:
            positions = (batch_starts[:, None] + places).flatten()
            yield from items_at(positions, self.size, self.seed, self.cumulative).tolist()
            batch_starts += self.batch * num_batches


def _feistel(values: Tensor, epochs: Tensor, num_bits: int, key: int) -> Tensor:
    # Alternating rounds: each half in turn is masked by a function of the other. The halves may differ by one bit.
    low_bits = num_bits // 2
    low_mask, high_mask = (1 << low_bits) - 1, (1 << num_bits - low_bits) - 1
    low, high = values & low_mask, values >> low_bits
    counter = torch.stack([low, torch.zeros_like(low), epochs & rng.WORD_MASK, epochs >> 32])
    for step in range(NUM_ROUNDS):
        counter[0], counter[1] = low if step % 2 else high, step
        mask = rng.philox(counter, key)[0]
        if step % 2:
            high = high ^ (mask & high_mask)
        else:
            low = low ^ (mask & low_mask)
    return high << low_bits | low
