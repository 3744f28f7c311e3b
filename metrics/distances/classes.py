# SPDX-License-Identifier: Apache-2.0
"""The Inception score (Salimans et al., 2016): pictures of which each is surely something, and all are different."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

NUM_SPLITS = 10


def inception_score(outputs: Float[Tensor, "n classes"], num_splits: int = NUM_SPLITS) -> tuple[float, float]:
    """Mean and standard deviation over splits of exp(mean KL divergence of p(y|x) from p(y))."""
    if len(outputs) < num_splits:
        raise ValueError(f"An Inception score is taken of {num_splits} parts; {len(outputs)} pictures are too few.")
    scores = torch.stack([_score(part) for part in probabilities(outputs).tensor_split(num_splits)])
    return scores.mean().item(), scores.std(unbiased=False).item()


def probabilities(outputs: Float[Tensor, "n classes"]) -> Float64[Tensor, "n classes"]:
    """Outputs that are none yet go through a softmax."""
    outputs = outputs.double()
    is_done = bool((outputs >= 0).all()) and bool(((outputs.sum(dim=1) - 1).abs() < 1e-3).all())
    return outputs / outputs.sum(dim=1, keepdim=True) if is_done else outputs.softmax(dim=1)


def _score(p: Float64[Tensor, "n classes"]) -> Tensor:
    entropy = -torch.special.entr(p).sum(dim=1).mean()
    return (entropy + torch.special.entr(p.mean(dim=0)).sum()).exp()
