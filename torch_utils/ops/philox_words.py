# SPDX-License-Identifier: Apache-2.0
"""Random words by a counter: what torch_utils/rng.py makes all its numbers of.

Vocabulary: a *word* is an integer in [0, 2^32) held in int64. A *counter* is four words: the index of an item (two),
the block within the item, and zero. Philox turns a counter, under a key of 64 bits, into a *block* of four words. Every
path gives the same bits. Nothing here has a gradient.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Int64, UInt64
from torch import Tensor

from torch_utils.ops import native

WORD_MASK = 0xFFFFFFFF
# Counters per call on the CPU, so that one call's temporaries stay in the second-level cache.
CPU_CHUNK = 4096


def philox_words(
    indices: Tensor,  # [n], integers of any sign
    key: int,  # in [0, 2^64)
    count: int,
) -> Tensor:  # [n, count], int64
    """The first `count` words of every item."""
    indices = indices.to(torch.int64)
    if not native.serves_if_loaded("philox_words", indices):
        return reference(indices, key, count)
    signed_key = key - 2**64 if key >= 2**63 else key  # the same 64 bits
    return torch.ops.fullhead.philox_words(indices, signed_key, count)


def reference(indices: Int64[Tensor, " n"], key: int, count: int) -> Int64[Tensor, "n {count}"]:
    """The definition, in plain PyTorch."""
    num_blocks = (count + 3) // 4
    counter = torch.zeros(4, len(indices), num_blocks, dtype=torch.int64, device=indices.device)
    counter[0] = (indices & WORD_MASK)[:, None]
    counter[1] = (indices >> 32 & WORD_MASK)[:, None]
    counter[2] = torch.arange(num_blocks, device=indices.device)
    blocks = philox(counter.flatten(1), key).view_as(counter)
    return blocks.permute(1, 2, 0).flatten(1)[:, :count]


def philox(counter: Int64[Tensor, "4 n"], key: int) -> Int64[Tensor, "4 n"]:
    """Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011)."""
    # Tensors without data are a type of their own, or on a device of their own.
    if counter.device.type != "cpu" or type(counter) is not Tensor or torch.compiler.is_compiling():
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


# --- Registered operator ----------------------------------------------------------------------------------------------

torch.library.define("fullhead::philox_words", "(Tensor indices, int key, SymInt count) -> Tensor")


@torch.library.register_fake("fullhead::philox_words")
def _(indices, key, count):
    return indices.new_empty(len(indices), count)
