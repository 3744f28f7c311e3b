# SPDX-License-Identifier: Apache-2.0
"""The Fréchet distance of two normal distributions."""

import torch
from jaxtyping import Float64
from torch import Tensor


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
    eigenvalues = torch.linalg.eigvalsh(root_a @ covariance_b @ root_a)
    cross = eigenvalues.clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + covariance_a.trace() + covariance_b.trace() - 2 * cross
    return max(float(distance), 0.0)


def _root(matrix: Float64[Tensor, "dim dim"]) -> Float64[Tensor, "dim dim"]:
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    return (vectors * eigenvalues.clamp(min=0).sqrt()) @ vectors.T
