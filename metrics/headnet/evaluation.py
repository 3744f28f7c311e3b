# SPDX-License-Identifier: Apache-2.0
"""How well HeadNet does on heads that it has not seen, as numbers.

A *face view* shows enough of a face to know somebody by: at most 75 degrees off the front. Verification compares all
pairs of views of one set by the cosine of their identities; AUC is the probability that a pair of one head is more
alike than a pair of two.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from metrics.distances.frechet import frechet_distance
from metrics.distances.moments import Moments
from metrics.headnet import faults
from metrics.headnet.attributes import KINDS, NUMBERS
from metrics.headnet.headset import HeadSet
from metrics.headnet.network import HeadNet

FACE_RAD = math.radians(75)
BLURS_PX, NOISES, SHARES = (0.0, 0.5, 1.0, 2.0, 4.0), (0.0, 0.05, 0.1, 0.2, 0.4), (0.0, 0.25, 0.5, 0.75)
_BATCH = 128


def evaluate(net: HeadNet, heads: HeadSet) -> dict[str, Any]:
    """All figures of the record."""
    return {
        "pictures": len(heads),
        "identities": len(heads.identity.unique()),
        "yaw": yaw_figures(net, heads),
        "identity": identity_figures(net, heads),
        "mask_iou": _rounded(mask_iou(net, heads)),
        "attributes": attribute_figures(net, heads),
        "faults": fault_figures(net, heads),
        "perceptual": perceptual_figures(net, heads),
    }


def yaw_errors_deg(net: HeadNet, heads: HeadSet, images: Tensor | None = None) -> Float[Tensor, " n"]:
    """Absolute, the short way round."""
    told = over(net.yaw_rad, heads.image if images is None else images)
    return torch.remainder(told - heads.yaw_rad + math.pi, 2 * math.pi).sub(math.pi).abs().rad2deg()


def yaw_figures(net: HeadNet, heads: HeadSet) -> dict[str, Any]:
    """Of clean pictures, by the side they are seen from, and of blurred and noisy ones."""
    error = yaw_errors_deg(net, heads)
    sector = (heads.yaw_rad.rad2deg() / 45).round().long().remainder(8)
    return {
        "median_deg": _rounded(error.median()),
        "p95_deg": _rounded(error.quantile(0.95)),
        "median_deg_by_azimuth": {str(45 * (i - 4)): _rounded(error[sector == (i - 4) % 8].median()) for i in range(8)},
        "median_deg_blurred_1px": _rounded(yaw_errors_deg(net, heads, faults.blur(heads.image, 1.0)).median()),
        "median_deg_noise_0.1": _rounded(yaw_errors_deg(net, heads, faults.noise(heads.image, 0.1)).median()),
    }


def identity_figures(net: HeadNet, heads: HeadSet) -> dict[str, Any]:
    """AUC of face views, of all views, and of the hard pairs among face views: two heads of one hair style."""
    identity = over(net.identity, heads.image)
    hair = heads.kinds[:, list(KINDS).index("hair_style")]
    is_face = heads.yaw_rad.abs() <= FACE_RAD
    cosine, is_same = pairs(identity[is_face], heads.identity[is_face])
    _, is_alike = pairs(identity[is_face], hair[is_face])
    return {
        "auc": _rounded(verification(identity[is_face], heads.identity[is_face])),
        "auc_same_hair_style": _rounded(auc(cosine[is_same], cosine[~is_same & is_alike])),
        "auc_all_views": _rounded(verification(identity, heads.identity)),
        "accepted_at_1_percent_false": _rounded((cosine[is_same] > cosine[~is_same].quantile(0.99)).float().mean()),
        "cosine_of_same": _rounded(cosine[is_same].mean()),
        "cosine_of_different": _rounded(cosine[~is_same].mean()),
        "pairs_of_same": int(is_same.sum()),
    }


def verification(identity: Float[Tensor, "n dim"], groups: Tensor) -> float:
    """AUC over all pairs."""
    cosine, is_same = pairs(identity, groups)
    return auc(cosine[is_same], cosine[~is_same])


def pairs(vectors: Float[Tensor, "n dim"], groups: Tensor) -> tuple[Float[Tensor, " pairs"], Bool[Tensor, " pairs"]]:
    """Products of all pairs of two rows, and whether they are of one group."""
    i, j = torch.triu_indices(len(vectors), len(vectors), offset=1)
    return (vectors @ vectors.T)[i, j], groups[i] == groups[j]


def auc(positive: Float[Tensor, " n"], negative: Float[Tensor, " m"]) -> float:
    """The share of (positive, negative) pairs in which the positive is larger; a draw counts half."""
    order = negative.sort().values
    below = torch.searchsorted(order, positive, side="left") + torch.searchsorted(order, positive, side="right")
    return float(below.double().mean() / 2 / len(negative))


def mask_iou(net: HeadNet, heads: HeadSet) -> float:
    """Mean over pictures, of masks cut at one half."""
    told, true = over(net.mask, heads.image) > 0.5, heads.mask > 127
    return float(((told & true).sum((1, 2, 3)) / (told | true).sum((1, 2, 3)).clamp(min=1)).mean())


def attribute_figures(net: HeadNet, heads: HeadSet) -> dict[str, Any]:
    """On face views: accuracy of kinds beside that of always guessing the most frequent; correlation of numbers."""
    heads = heads.rows(heads.yaw_rad.abs() <= FACE_RAD)
    told = over(net.attributes, heads.image)
    kinds, numbers = {}, {}
    for name, answer in told.items():
        if name in KINDS:
            true = heads.kinds[:, list(KINDS).index(name)]
            right, usual = (answer.argmax(dim=1) == true).float().mean(), true.bincount().max() / len(true)
            kinds[name] = {"accuracy": _rounded(right), "guessing": _rounded(usual)}
        else:
            true = heads.numbers[:, NUMBERS.index(name)]
            numbers[name] = _rounded(torch.corrcoef(torch.stack([answer, true]))[0, 1])
    return {"kinds": kinds, "correlation": numbers}


def fault_figures(net: HeadNet, heads: HeadSet) -> dict[str, dict[str, float]]:
    """The Fréchet distance of one half of the identities to the other half, by the amount of a fault in the latter."""
    odd = heads.identity % 2 == 1
    reference, others = heads.rows(~odd), heads.rows(odd)
    is_back = reference.yaw_rad.cos() < 0
    whole, back = (moments(net, images) for images in (reference.image, reference.image[is_back]))

    def curve(spoilt: Callable[[float], Tensor], amounts: Sequence[float], wanted: Moments = whole) -> dict[str, float]:
        return {f"{amount:g}": _rounded(distance(wanted, moments(net, spoilt(amount)))) for amount in amounts}

    return {
        "blur_px": curve(lambda sigma_px: faults.blur(others.image, sigma_px), BLURS_PX),
        "noise": curve(lambda std: faults.noise(others.image, std), NOISES),
        "dropped": curve(lambda share: faults.dropped(others, share), SHARES),
        "faces_on_back": curve(lambda share: faults.faces(others, share), SHARES, back),
    }


def perceptual_figures(net: HeadNet, heads: HeadSet) -> dict[str, Any]:
    """Mean perceptual distance of pictures to themselves with a fault, and to pictures of others."""
    images = heads.image[:: max(1, len(heads) // 256)]

    def mean(others: Tensor) -> float:
        return _rounded(over(net.perceptual, images, others).mean())

    return {
        "blur_px": {f"{sigma_px:g}": mean(faults.blur(images, sigma_px)) for sigma_px in BLURS_PX},
        "noise": {f"{std:g}": mean(faults.noise(images, std)) for std in NOISES},
        "others": mean(images.roll(len(images) // 2, dims=0)),
    }


def moments(net: HeadNet, images: Tensor) -> Moments:
    """Of the features of pictures."""
    found = Moments(net.num_features)
    found.add(over(net.features, images))
    return found


def distance(a: Moments, b: Moments) -> float:
    """Fréchet."""
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)


@torch.no_grad()
def over(function: Callable[..., Any], *images: Tensor) -> Any:
    """The function of many pictures, a batch at a time; it gives a tensor, or a dictionary of them."""
    parts = [function(*batch) for batch in zip(*(tensor.split(_BATCH) for tensor in images), strict=True)]
    if isinstance(parts[0], dict):
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return torch.cat(parts)


def _rounded(value: Tensor | float) -> float:
    """Four significant digits."""
    return float(f"{float(value):.4g}")
