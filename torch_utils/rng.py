# SPDX-License-Identifier: Apache-2.0
"""Random numbers as a pure function of (seed, purpose, index).

Item i of a draw depends on the seed, on what the numbers are for and on i, which is the global index of an image; never
on the rank, on the place in a micro-batch, or on what was drawn before. A run that was stopped, or whose batch is split
over more ranks, therefore sees the numbers it would have seen.

Vocabulary: a *word* is an integer in [0, 2^32) held in int64. A *key* is 64 bits hashed from (seed, purpose). A
*counter* is four words: the index (two), the block within the item, and zero. Philox turns key and counter into four
words.

Words, uniforms and integers are the same bits on every device. Normals pass through log, sin and cos, so between
devices they agree to rounding. A longer draw for the same item begins with the shorter one.
"""

import hashlib
import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt64
from torch import Tensor

WORD_MASK = 0xFFFFFFFF
# Counters per call on the CPU, so that one call's temporaries stay in the second-level cache.
CPU_CHUNK = 4096


def key_of(seed: int, *names: str | int) -> int:
    """A 64-bit key that two different (seed, names) do not share in practice."""
    text = "\0".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(seed: int, purpose: str, index: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A PyTorch generator for one item, for operations that take nothing else. Its stream differs between devices."""
    return torch.Generator(device).manual_seed(key_of(seed, purpose, index) >> 1)


def uniform(
    seed: int, purpose: str, indices: Int64[Tensor, " n"], shape: tuple[int, ...] = ()
) -> Float32[Tensor, " n *shape"]:
    """Uniform in [0, 1), on a grid of 2^-24: all that float32 holds evenly."""
    return (words(seed, purpose, indices, shape) >> 8).to(torch.float32) * 2**-24


def normal(
    seed: int, purpose: str, indices: Int64[Tensor, " n"], shape: tuple[int, ...] = ()
) -> Float32[Tensor, " n *shape"]:
    """Standard normal, by the transform of Box and Muller (1958). The largest value it can give is 6.8."""
    num_pairs = (math.prod(shape) + 1) // 2
    first, second = words(seed, purpose, indices, (num_pairs, 2)).to(torch.float32).unbind(-1)
    # Half a step keeps the logarithm finite at word zero. Rounding up to 1 at the other end gives radius zero.
    radius = ((first + 0.5) * 2**-32).log_().mul_(-2).sqrt_()
    angle_rad = second * (2 * math.pi * 2**-32)
    pairs = torch.stack([radius * angle_rad.cos(), radius * angle_rad.sin()], dim=-1)
    return pairs.flatten(1)[:, : math.prod(shape)].reshape(len(indices), *shape)


def integers(
    seed: int, purpose: str, indices: Int64[Tensor, " n"], shape: tuple[int, ...] = (), *, high: int
) -> Int64[Tensor, " n *shape"]:
    """Integers in [0, high), high at most 2^31. Two words each, so no value is favoured by more than high / 2^64."""
    if not 1 <= high <= 2**31:
        raise ValueError(f"high is {high}: integers are drawn from [0, high), with high between 1 and 2^31.")
    upper, lower = words(seed, purpose, indices, (*shape, 2)).unbind(-1)
    return (upper * high + (lower * high >> 32)) >> 32


def partner(seed: int, purpose: str, indices: Int64[Tensor, " n"], batch_start: int, batch: int) -> Int64[Tensor, " n"]:
    """For images of the global batch [batch_start, batch_start + batch): the other image each one swaps with.

    The batch is shifted cyclically by a keyed amount that is never zero, so every image has one partner and is the
    partner of one. A partner may live on another rank: draw its numbers again by its index, nothing is sent. A batch of
    one image has no other, so there the image is its own partner.
    """
    start = torch.full_like(indices[:1], batch_start)
    shift = 1 + integers(seed, purpose, start, high=batch - 1) if batch > 1 else 0
    return batch_start + (indices - batch_start + shift) % batch


def words(
    seed: int, purpose: str, indices: Int64[Tensor, " n"], shape: tuple[int, ...] = ()
) -> Int64[Tensor, " n *shape"]:
    """Independent words, uniform in [0, 2^32)."""
    count = math.prod(shape)
    num_blocks = (count + 3) // 4
    counter = torch.zeros(4, len(indices), num_blocks, dtype=torch.int64, device=indices.device)
    counter[0] = (indices & WORD_MASK)[:, None]
    counter[1] = (indices >> 32 & WORD_MASK)[:, None]
    counter[2] = torch.arange(num_blocks, device=indices.device)
    blocks = philox(counter.flatten(1), key_of(seed, purpose)).view_as(counter)
    return blocks.permute(1, 2, 0).flatten(1)[:, :count].reshape(len(indices), *shape)


def philox(counter: Int64[Tensor, "4 n"], key: int) -> Int64[Tensor, "4 n"]:
    """Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011)."""
    if counter.device.type != "cpu" or type(counter) is not Tensor:  # Tensors without data are a type of their own.
        return _philox(counter, key)
    words = np.empty(counter.shape, np.int64)
    for start in range(0, counter.shape[1], CPU_CHUNK):
        part = slice(start, start + CPU_CHUNK)
        _philox_on_host(counter[:, part].numpy().view(np.uint64), key, words[:, part].view(np.uint64))
    return torch.from_numpy(words)


def _round_keys(key: int) -> Iterator[tuple[int, int]]:
    for step in range(10):
        yield ((key & WORD_MASK) + step * 0x9E3779B9) & WORD_MASK, ((key >> 32) + step * 0xBB67AE85) & WORD_MASK


def _philox(counter: Tensor, key: int) -> Tensor:
    # A 32 x 32-bit product may wrap in int64, but its low word is right as it is, and its high word after shift and
    # mask. The words that wait one round (odd) keep junk above bit 31: they meet a mask before they are multiplied.
    even, odd = counter[0::2].clone(), counter[1::2].clone()
    product = torch.empty_like(even)
    for first, second in _round_keys(key):
        # The lanes cross: the product of lane 1 feeds lane 0 of the next round, and the other way round.
        torch.mul(even[1], 0xCD9E8D57, out=product[0])
        torch.mul(even[0], 0xD2511F53, out=product[1])
        torch.bitwise_right_shift(product, 32, out=even)
        even ^= odd
        even[0] ^= first
        even[1] ^= second
        even &= WORD_MASK
        odd, product = product, odd
    odd &= WORD_MASK
    return torch.stack([even[0], odd[0], even[1], odd[1]])


# In the order in which the lanes cross.
_MULTIPLIERS = np.array([[0xCD9E8D57], [0xD2511F53]], np.uint64)


def _philox_on_host(counter: UInt64[np.ndarray, "4 n"], key: int, words: UInt64[np.ndarray, "4 n"]) -> None:
    """The same by NumPy: a network asks often for few numbers, and PyTorch takes longer to begin an operation."""
    even, odd = counter[0::2], counter[1::2]
    mask, shift = np.uint64(WORD_MASK), np.uint64(32)
    for keys in _round_keys(key):
        product = even[::-1] * _MULTIPLIERS
        even = (product >> shift) ^ (odd & mask)
        even ^= np.array(keys, np.uint64)[:, None]
        odd = product
    words[0::2], words[1::2] = even, odd & mask
