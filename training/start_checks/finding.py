# SPDX-License-Identifier: Apache-2.0
"""What a check says, and what it looks at.

A *finding* refuses the run or warns of it, and says what to do. What breaks the bounds of a configuration's own fields
needs no check: it cannot be written.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal

from training.data.facts import DataFacts
from training.machine_facts import MachineFacts
from training.run_config import RunConfig


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with its remedy."""

    severity: Literal["refuse", "warn"]
    text: str


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that is known before a run."""

    config: RunConfig
    data: DataFacts
    machine: MachineFacts
    needed_bytes: int | None = None  # Predicted, for one process; None: certainly little.
    save_bytes: int = 0
    num_critic_layers: int = 10**6


Check = Callable[[Facts], Iterator[Finding]]
TRIAL_NIMG = 20_000  # Shorter runs are trials; nobody expects a head.


def refuse(text: str) -> Iterator[Finding]:
    """One that keeps the run from starting."""
    yield Finding("refuse", text)


def warn(text: str) -> Iterator[Finding]:
    """One that the run starts with all the same."""
    yield Finding("warn", text)
