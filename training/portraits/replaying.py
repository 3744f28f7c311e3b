# SPDX-License-Identifier: Apache-2.0
"""Pictures that are made again and again, as those of a film: a GPU replays what a generator does for one of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch_utils.cuda_graph import Recorded
from training.generator import Generator
from training.tensor_checks import values_trusted

STAGES = ("planes", "backdrop", "expose", "develop")


@contextmanager
def replayed(G: Generator) -> Iterator[dict[str, Recorded]]:
    """Inside, what of these stages comes again with tensors of the same shapes is replayed; elsewhere nothing changes.

    Values are looked at in the first call of a kind only; weights must not be exchanged, nor eval mode for training.
    """
    before = {stage: vars(G)[stage] for stage in STAGES if stage in vars(G)}
    if before and all(isinstance(function, Recorded) for function in before.values()):
        yield before  # Around this block there is another one.
        return
    recorded = {stage: Recorded(getattr(G, stage), values_trusted) for stage in STAGES}
    for stage, function in recorded.items():
        setattr(G, stage, function)
    try:
        yield recorded
    finally:
        for stage in STAGES:
            delattr(G, stage)  # What the class has is there again,
        for stage, function in before.items():
            setattr(G, stage, function)  # or what somebody else has put there.
