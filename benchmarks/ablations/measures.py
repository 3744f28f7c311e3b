# SPDX-License-Identifier: Apache-2.0
"""What is measured of every trained network, in parts that are done once each, as numbers by name.

Distances in the modes all, front, back and random are to the training set, as published. `back-true` and `random-true`
are to the same heads without drift: no shift is applied in these modes, so a picture should show what its label says,
and that is what the second set shows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.ablations.budgets import Budget
from benchmarks.ablations.drift import drift_recovered
from benchmarks.ablations.folder import Values
from benchmarks.ablations.truth import inverted_heads
from benchmarks.ablations.variants import Variant
from metrics.command import Request, run
from metrics.names import parse
from metrics.pictures import Mode
from metrics.record import Record
from training.generator import Generator


class Network(NamedTuple):
    """A trained one, and what it is measured with."""

    file: Path
    records: Path  # A folder where records of metrics are kept in full.
    trained: Path  # Images of its training set.
    true: Path  # The same heads without drift.
    mirror: bool
    load: Callable[[], Generator]


def parts(budget: Budget, variant: Variant, device: torch.device) -> dict[str, Callable[[Network], Values]]:
    """By name, in order."""
    distances = {
        "fd_headnet": f"fd{budget.pictures}_headnet",
        "fd_thumbs": f"fd{budget.pictures}_thumbs",
        "kd_headnet": f"kd{budget.pictures}_headnet",
    }
    # Of the generated pictures alone, so what they are compared with does not matter.
    scored = distances | {"is_headnethair": f"is{budget.pictures}_headnethair"}
    geometry = {kind: f"{kind}{budget.heads}" for kind in ("id", "mirror", "depth", "raw")}
    if variant.has_mask:
        geometry["maskmse"] = f"maskmse{budget.heads}"
    views = {"yaw": f"yaw{budget.pictures}", "shift": f"shift{budget.pictures}"}

    def metrics(mode: Mode, names: dict[str, str], *, is_true: bool = False) -> Callable[[Network], Values]:
        return lambda network: measured(network, mode, names, device, is_true=is_true)

    return {
        "all": metrics("all", scored),
        "front": metrics("front", scored),
        "back": metrics("back", scored),
        "random": metrics("random", scored | geometry | views),
        "back-true": metrics("back", distances, is_true=True),
        "random-true": metrics("random", distances, is_true=True),
        "inverted": lambda network: inverted_heads(
            network.load(), budget.inverted, budget.search_steps, has_mask=variant.has_mask
        ),
        "drift": lambda network: drift_recovered(network.load(), budget.drifted, budget.search_steps, budget.drift),
    }


def measured(network: Network, mode: Mode, names: dict[str, str], device: torch.device, *, is_true: bool) -> Values:
    """The metrics of these names, by their keys; parts of a metric behind a slash."""
    request = Request(
        network=str(network.file),
        wanted=tuple(parse(name) for name in names.values()),
        img_data=str(network.true if is_true else network.trained),
        seg_data=None,
        mirror=network.mirror,
        mode=mode,
        seed=0,
        batch=16,
        detectors=(),
        outdir=network.records,
        delta=None,
        precision=None,
    )
    return flat(dict(zip(names, run(request, device), strict=True)))


def flat(records: dict[str, Record]) -> Values:
    found: Values = {}
    for key, record in records.items():
        found[key] = record["value"]
        found |= {f"{key}/{part}": value for part, value in record["parts"].items()}
    return found
