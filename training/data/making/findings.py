# SPDX-License-Identifier: Apache-2.0
"""Kinds of things that are wrong with a set, and how each instance is told."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from training.data.problems import Problem

Kind = Literal[
    "unreadable",
    "no camera",
    "wrong camera",
    "odd camera",
    "unused label",
    "wrong sources",
    "no mask",
    "mask without image",
    "empty mask",
    "full mask",
    "inverted mask",
    "wrong mask",
    "one mask for many",
    "mask size",
    "size",
    "kind of pixels",
    "turned",
    "duplicate",
]

# What a clean copy does not have, though it has the image.
MENDED: frozenset[Kind] = frozenset({"kind of pixels", "turned", "unused label", "mask without image"})


class Finding(NamedTuple):
    """Something that is wrong, with one item, several, or (without items) the set."""

    kind: Kind
    problem: Problem
    items: Sequence[int] = ()
    is_mended: bool = False  # Whether the clean copy keeps the items.


def finding(kind: Kind, file: str, reason: str, remedy: str, *items: int) -> Finding:
    """A finding whose kind says whether it can be mended."""
    return Finding(kind, Problem(file, reason, remedy), items, kind in MENDED)
