# SPDX-License-Identifier: Apache-2.0
"""Metrics by name: KIND, how many pictures are generated, and what features are compared, as in `fd1k_thumbs`.

metric = find("fd1k_thumbs")
metric(generator, dataset, seed, device)  # every rank calls it, and gets the same number
"""

import re
from collections.abc import Callable
from typing import final

import torch

from dnnlib.progress import progress
from metrics.frechet import frechet_distance
from metrics.moments import Moments
from metrics.pictures import generated_pictures, real_pictures
from metrics.thumbnails import DIM, thumbnails
from training.data.dataset import ImageDataset
from training.generator import Generator

Metric = Callable[[Generator, ImageDataset, int, torch.device], float]

_NAME = re.compile(r"fd(\d+)(k?)_thumbs")
_MAX_REALS = 10_000


def find(name: str) -> Metric:
    """The metric of that name; a ValueError says what there is."""
    match = _NAME.fullmatch(name)
    count = int(match[1]) * (1000 if match[2] else 1) if match else 0
    if count < 2:
        raise ValueError(
            f"there is no metric {name!r}. There is fdN_thumbs or fdNk_thumbs, as in fd1k_thumbs: the Fréchet distance "
            "of 8 x 8 thumbnails of N (thousand) generated pictures to those of the data set"
        )
    return FrechetDistance(name, count)


@final
class FrechetDistance:
    """Of thumbnails. What is known of a data set is kept for the next time."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count
        self._reals: tuple[ImageDataset, Moments] | None = None

    def __call__(self, generator: Generator, dataset: ImageDataset, seed: int, device: torch.device) -> float:
        if dataset.labels is None:
            raise ValueError(f"{self.name} renders under the cameras of the data set, and this one has none")
        if self._reals is None or self._reals[0] is not dataset:
            self._reals = dataset, _moments_of_reals(dataset)
        reals = self._reals[1]
        fakes = Moments(DIM)
        with progress(self.count, self.name, "img") as bar:
            for image in generated_pictures(generator, dataset, self.count, seed, device):
                fakes.add(thumbnails(image))
                bar.advance(len(image))
        fakes = fakes.over_ranks()
        return frechet_distance(reals.mean, reals.covariance, fakes.mean, fakes.covariance)


def _moments_of_reals(dataset: ImageDataset) -> Moments:
    moments = Moments(DIM)
    for image, weights in real_pictures(dataset, _MAX_REALS):
        moments.add(thumbnails(image), weights)
    return moments.over_ranks()
