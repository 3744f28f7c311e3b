# SPDX-License-Identifier: Apache-2.0
"""Metrics as training wants them: a name to a function of a generator and a data set, without files or records.

metric = find("fd1k_thumbs")
metric(generator, dataset, seed, device)  # every rank calls it, and gets the same number
"""

from collections.abc import Callable
from typing import final

import torch

from metrics.bench import Bench, Reals
from metrics.detectors.shop import DetectorShop
from metrics.measures import measure
from metrics.names import Wanted, needs_file, parse
from training.data.dataset import ImageDataset
from training.generator import Generator

Metric = Callable[[Generator, ImageDataset, int, torch.device], float]


def find(name: str) -> Metric:
    """The metric of that name; a ValueError says what there is, or that it needs a file."""
    wanted = parse(name)
    if needs_file(wanted):
        raise ValueError(
            f"{name}: needs the network {wanted.detector} in a file, which training does not take; measure something "
            "like fd1k_thumbs meanwhile, and this afterwards with calc_metrics.py"
        )
    return TrainingMetric(wanted)


@final
class TrainingMetric:
    """Pictures under all cameras of the set, each conditioned on its own. Reals are remembered for the next time."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._reals: Reals | None = None

    def __call__(self, generator: Generator, dataset: ImageDataset, seed: int, device: torch.device) -> float:
        if dataset.labels is None:
            raise ValueError(f"{self.wanted.name} renders under the cameras of the data set, and this one has none")
        if self._reals is None or self._reals.dataset is not dataset:
            self._reals = Reals(dataset)
        shop = DetectorShop((), device)
        bench = Bench(generator, self._reals, shop, [self.wanted], mode="all", seed=seed, device=device)
        return measure(bench, self.wanted).value
