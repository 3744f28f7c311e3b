# SPDX-License-Identifier: Apache-2.0
"""The Fréchet distance of two normal distributions, and of two sets of features by way of their moments."""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from dnnlib.progress import progress
from metrics.distances.moments import Moments, moments_of

NUM_GROUPS = 5


def frechet_distance(
    mean_a: Float64[Tensor, " dim"],
    covariance_a: Float64[Tensor, "dim dim"],
    mean_b: Float64[Tensor, " dim"],
    covariance_b: Float64[Tensor, "dim dim"],
) -> float:
    """|a - b|^2 + tr(A + B - 2 (A B)^(1/2)), after Dowson and Landau (1982).

    A B has the eigenvalues of the symmetric A^(1/2) B A^(1/2), whose root exists also where covariances are
    singular, as those of fewer pictures than features are.
    """
    root_a = _root(covariance_a)
    return _distance(mean_a, covariance_a, root_a, mean_b, covariance_b)


def distance_of_moments(a: Moments, b: Moments) -> float:
    """Of features whose sums are known."""
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)


def distance_and_error(reals: Moments, generated: Float[Tensor, "n dim"]) -> tuple[float, float | None]:
    """The distance, and its standard error over the generated pictures by a jackknife of five groups.

    The error does not hold the bias: a Fréchet distance of fewer pictures is larger. None for fewer than ten.
    """
    whole = moments_of(generated)
    root = _root(reals.covariance)

    def distance(moments: Moments) -> float:
        return _distance(reals.mean, reals.covariance, root, moments.mean, moments.covariance)

    if len(generated) < 2 * NUM_GROUPS:
        return distance(whole), None
    groups = progress(generated.tensor_split(NUM_GROUPS), "error of the distance", unit="group")
    left_out = [distance(whole.without(moments_of(group))) for group in groups]
    mean = sum(left_out) / NUM_GROUPS
    variance = (NUM_GROUPS - 1) / NUM_GROUPS * sum((value - mean) ** 2 for value in left_out)
    return distance(whole), math.sqrt(variance)


def _distance(mean_a: Tensor, covariance_a: Tensor, root_a: Tensor, mean_b: Tensor, covariance_b: Tensor) -> float:
    eigenvalues = torch.linalg.eigvalsh(root_a @ covariance_b @ root_a)
    cross = eigenvalues.clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + covariance_a.trace() + covariance_b.trace() - 2 * cross
    return max(float(distance), 0.0)


def _root(matrix: Float64[Tensor, "dim dim"]) -> Float64[Tensor, "dim dim"]:
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    return (vectors * eigenvalues.clamp(min=0).sqrt()) @ vectors.T
