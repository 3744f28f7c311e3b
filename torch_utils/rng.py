# SPDX-License-Identifier: Apache-2.0
"""Random numbers as a pure function of (seed, purpose, index).

Item i of a draw depends on the seed, on what the numbers are for and on i, which is the global index of an image; never
on the rank, on the place in a micro-batch, or on what was drawn before. A run that was stopped, or whose batch is split
over more ranks, therefore sees the numbers it would have seen.

Vocabulary: a *word* is an integer in [0, 2^32) held in int64. A *key* is 64 bits hashed from (seed, purpose).
torch_utils/ops/philox_words.py makes words of keys and indices.

Words, uniforms and integers are the same bits on every device. Normals pass through log, sin and cos, so between
devices they agree to rounding. A longer draw for the same item begins with the shorter one.
"""

import hashlib
import math

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from torch_utils.ops.philox_words import WORD_MASK, philox, philox_words

__all__ = ["WORD_MASK", "generator", "integers", "key_of", "normal", "partner", "philox", "uniform", "words"]


def key_of(seed: int, *names: str | int) -> int:
    """A 64-bit key that two different (seed, names) do not share in practice."""
    text = "\0".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


# torch.compile calls it while it traces, and keeps the answer: as torch.compiler.assume_constant_result would have it,
# without the second that importing the compiler takes.
key_of._dynamo_marked_constant = True


def generator(seed: int, purpose: str, index: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A PyTorch generator for one item, for operations that take nothing else. Its stream differs between devices."""
    return torch.Generator(device).manual_seed(key_of(seed, purpose, index) >> 1)


def uniform(
    seed: int, purpose: str, indices: Int64[Tensor, " n"], shape: tuple[int, ...] = ()
) -> Float32[Tensor, " n *shape"]:
    """Uniform in [0, 1), on a grid of 2^-24: all that float32 holds evenly."""
    return words(seed, purpose, indices, shape).bitwise_right_shift_(8).to(torch.float32).mul_(2**-24)


def normal(
    seed: int, purpose: str, indices: Int64[Tensor, " n"], shape: tuple[int, ...] = ()
) -> Float32[Tensor, " n *shape"]:
    """Standard normal, by the transform of Box and Muller (1958). The largest value it can give is 6.8."""
    # In place where it can be, and without a pass that only moves numbers: memory costs more than logarithms.
    num_pairs = (math.prod(shape) + 1) // 2
    first, second = (part.to(torch.float32) for part in words(seed, purpose, indices, (num_pairs, 2)).unbind(-1))
    # Half a step keeps the logarithm finite at word zero. Rounding up to 1 at the other end gives radius zero.
    radius = first.add_(0.5).mul_(2**-32).log_().mul_(-2).sqrt_()
    angle_rad = second.mul_(2 * math.pi * 2**-32)
    if torch.compiler.is_compiling():  # It joins passes by itself, and writes into no part of a tensor.
        pairs = torch.stack([radius * angle_rad.cos(), radius * angle_rad.sin()], dim=-1)
    else:
        pairs = first.new_empty(len(indices), num_pairs, 2)
        torch.mul(radius, angle_rad.cos(), out=pairs[..., 0])
        torch.mul(radius, angle_rad.sin_(), out=pairs[..., 1])
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
    return philox_words(indices, key_of(seed, purpose), math.prod(shape)).reshape(len(indices), *shape)
