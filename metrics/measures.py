# SPDX-License-Identifier: Apache-2.0
"""How each kind of metric becomes a number. docs/metrics.md says what the numbers mean."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from metrics.bench import Bench, FeatureSet
from metrics.detectors.base import Detector
from metrics.distances.classes import inception_score
from metrics.distances.frechet import distance_and_error, distance_of_moments
from metrics.distances.kernel import kernel_distance
from metrics.distances.moments import moments_of
from metrics.distances.neighbours import precision_and_recall
from metrics.geometry.heads import MASK_PSI
from metrics.names import Wanted
from metrics.pictures import NUM_BINS, bin_name, poses, yaw_bin

_MIN_IN_BIN = 4
_TRIMMED = (0.01, 0.99)


@dataclasses.dataclass(frozen=True)
class Result:
    """A number, how sure it is (one standard deviation or error; docs/metrics.md says which), and what is behind it.

    The number is NaN where the pictures hold nothing to measure, such as no face; other metrics are measured still.
    """

    value: float
    spread: float | None
    parts: Mapping[str, float]
    counts: Mapping[str, int]
    detector: Mapping[str, Any] | None = None
    render: Mapping[str, Any] | None = None  # How pictures were rendered that are not those of the mode.


def measure(bench: Bench, wanted: Wanted) -> Result:
    """Every rank calls it, and gets the same."""
    return _MEASURES[wanted.measure](bench, wanted)


def _frechet(bench: Bench, wanted: Wanted) -> Result:
    detector = bench.shop.features(wanted.detector)
    generated, real = _both(bench, detector, wanted)
    value, error = distance_and_error(moments_of(real.features, real.weights), generated)
    return Result(value, error, {}, _counts(generated, real.features), detector.facts)


def _kernel(bench: Bench, wanted: Wanted) -> Result:
    detector = bench.shop.features(wanted.detector)
    generated, real = _both(bench, detector, wanted)
    value, spread = kernel_distance(generated, real.features, seed=bench.seed, weights_b=real.weights)
    return Result(value, spread, {}, _counts(generated, real.features), detector.facts)


def _by_yaw(distance: Callable[..., float]) -> Callable[[Bench, Wanted], Result]:
    """The same distance in each of eight ranges of yaw; the value is the mean of those that hold enough pictures."""

    def measured(bench: Bench, wanted: Wanted) -> Result:
        detector = bench.shop.features(wanted.detector)
        generated, real = _both(bench, detector, wanted)
        bins = yaw_bin(bench.pictures.azimuth_deg(wanted.count)), yaw_bin(real.azimuth_deg)
        found: dict[str, float] = {}
        counts = _counts(generated, real.features)
        for index in range(NUM_BINS):
            own, theirs = (where == index for where in bins)
            counts |= {f"generated {bin_name(index)}": int(own.sum()), f"real {bin_name(index)}": int(theirs.sum())}
            if min(own.sum(), theirs.sum()) >= _MIN_IN_BIN:
                found[bin_name(index)] = distance(
                    generated[own], real.features[theirs], real.weights[theirs], bench.seed
                )
        if not found:
            raise ValueError(
                f"{wanted.name}: no range of yaw holds {_MIN_IN_BIN} pictures of each side; generate more."
            )
        return Result(sum(found.values()) / len(found), None, found, counts, detector.facts)

    return measured


def _frechet_of(generated: Tensor, real: Tensor, weights: Tensor, seed: int) -> float:
    return distance_of_moments(moments_of(real, weights), moments_of(generated))


def _kernel_of(generated: Tensor, real: Tensor, weights: Tensor, seed: int) -> float:
    return kernel_distance(generated, real, seed=seed, weights_b=weights)[0]


def _precision(bench: Bench, wanted: Wanted) -> Result:
    detector = bench.shop.features(wanted.detector)
    generated, real = _both(bench, detector, wanted)
    place = bench.device
    precision, recall = precision_and_recall(real.features.to(place), generated.to(place), weights=real.weights)
    spread = math.sqrt(precision * (1 - precision) / len(generated))
    parts = {"precision": precision, "recall": recall}
    return Result(precision, spread, parts, _counts(generated, real.features), detector.facts)


def _inception_score(bench: Bench, wanted: Wanted) -> Result:
    detector = bench.shop.features(wanted.detector)
    value, spread = inception_score(bench.generated(detector, wanted.count))
    return Result(value, spread, {}, {"generated": wanted.count}, detector.facts)


def _path_length(bench: Bench, wanted: Wanted) -> Result:
    detector = bench.shop.features(wanted.detector)
    rows = bench.rows(wanted, lambda i: bench.heads.path_lengths(i, detector), detector.facts)[:, 0].double()
    low, high = rows.quantile(torch.tensor(_TRIMMED, dtype=torch.float64))
    kept = rows[(rows >= low) & (rows <= high)]
    counts, render = {"generated": wanted.count}, _around(bench, wanted)
    return Result(kept.mean().item(), _error(kept), {}, counts, detector.facts, render)


def _identity(bench: Bench, wanted: Wanted) -> Result:
    detector = bench.shop.faces(wanted.detector)
    pairs = bench.rows(wanted, lambda i: bench.heads.face_pairs(i, detector), detector.facts)
    likeness = torch.cosine_similarity(pairs[:, 0].double(), pairs[:, 1].double(), dim=1)
    known = likeness[likeness.isfinite()]
    # How alike strangers look: without it nobody can tell what a likeness is worth.
    strangers = torch.cosine_similarity(pairs[:-1, 0].double(), pairs[1:, 1].double(), dim=1)
    strangers = strangers[strangers.isfinite()]
    parts = {"detected": pairs.isfinite().all(dim=2).double().mean().item()}
    if len(strangers):
        parts["strangers"] = strangers.mean().item()
    views = bench.heads.face_angles_deg(torch.arange(wanted.count))
    render = _of_heads(torch.cat([azimuth_deg for azimuth_deg, _ in views]))
    return Result(known.mean().item(), _error(known), parts, {"pairs": len(known)}, detector.facts, render)


def _yaw(bench: Bench, wanted: Wanted) -> Result:
    """How far the side that pictures show is from the one that was asked for; of reals too, for the detector errs."""
    detector = bench.shop.features(wanted.detector)
    generated, real = _both(bench, detector, wanted)
    errors = _angle_deg(generated, bench.pictures.azimuth_deg(wanted.count))
    of_reals = _angle_deg(real.features, real.azimuth_deg)
    parts = {"median": errors.median().item(), "real": of_reals.mean().item(), "real median": of_reals.median().item()}
    return Result(errors.mean().item(), _error(errors), parts, _counts(generated, real.features), detector.facts)


def _angle_deg(told: Float[Tensor, "n 2"], asked_deg: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    told_deg = torch.rad2deg(torch.atan2(told[:, 1], told[:, 0])).double()
    return ((told_deg - asked_deg + 180) % 360 - 180).abs()


def _masks(bench: Bench, wanted: Wanted) -> Result:
    detector = bench.shop.heads(wanted.detector)
    rows = bench.rows(wanted, lambda i: bench.heads.masks(i, detector), detector.facts).double()
    parts = {"mask": rows[:, 0].mean().item(), "background": rows[:, 1].mean().item()}
    render = _of_heads(torch.zeros(1), MASK_PSI)
    return Result(parts["mask"], _error(rows[:, 0]), parts, {"heads": len(rows)}, detector.facts, render)


def _depth(bench: Bench, wanted: Wanted) -> Result:
    """The share of the difference between two views that their depth does not explain: contrast cancels."""
    rows = bench.rows(wanted, bench.heads.depth).double()
    known = rows[rows.isfinite().all(dim=1)]
    parts = dict(zip(("final", "raw", "unmoved", "seen_by_both"), known.mean(dim=0).tolist(), strict=True))
    final, unmoved = known[:, 0], known[:, 2]
    share = final.sum() / unmoved.sum()
    left = (final - share * unmoved) / unmoved.mean()  # To first order, by how much each head moves the share.
    counts = {"heads": len(known), "without": len(rows) - len(known)}
    return Result(share.item(), _error(left), parts, counts, render=_around(bench, wanted))


def _raw(bench: Bench, wanted: Wanted) -> Result:
    rows = bench.rows(wanted, bench.heads.raw).double()
    parts = {"psnr_db": -10 * math.log10(max(rows[:, 1].mean().item(), 1e-12))}
    render = _around(bench, wanted)
    return Result(rows[:, 0].mean().item(), _error(rows[:, 0]), parts, {"heads": len(rows)}, render=render)


def _mirror(bench: Bench, wanted: Wanted) -> Result:
    rows = bench.rows(wanted, bench.heads.mirror)[:, 0].double()
    known = rows[rows.isfinite()]
    parts = {"mean": known.mean().item(), "max": known.max().item() if len(known) else math.nan}
    counts = {"heads": len(known), "without": len(rows) - len(known)}
    return Result(known.median().item(), _error(known), parts, counts, render=_of_heads(torch.tensor([0.0, 180.0])))


def _shift(bench: Bench, wanted: Wanted) -> Result:
    """Root mean square of the learned shift, and of the front's and the back's, whose labels are wrong more often."""
    labels = bench.pictures.cameras(torch.arange(wanted.count))
    rows = bench.rows(wanted, lambda i: bench.heads.shifts(i, labels[i])).double()
    is_back = bench.pictures.azimuth_deg(wanted.count).abs() > 90
    parts = {
        name: rows[where].square().sum(dim=1).mean().sqrt().item()
        for name, where in (("front", ~is_back), ("back", is_back))
        if where.any()
    }
    sizes = rows.square().sum(dim=1)
    parts["mean"] = rows.mean(dim=0).norm().item()
    return Result(sizes.mean().sqrt().item(), None, parts, {"cameras": len(rows)})


def _of_heads(azimuth_deg: Tensor, psi: float = 1.0) -> dict[str, Any]:
    """Views that a metric has of its own, whatever the mode is."""
    return {"condition": "front", "psi": psi, "has_shift": False, "poses": poses(azimuth_deg)}


def _around(bench: Bench, wanted: Wanted) -> dict[str, Any]:
    """Views from where the mode looks."""
    return _of_heads(bench.heads.azimuth_deg(torch.arange(wanted.count)))


def _both(bench: Bench, detector: Detector, wanted: Wanted) -> tuple[Float[Tensor, "n features"], FeatureSet]:
    """Real images first: what is wrong with them shows in minutes, and pictures may take hours to generate."""
    real = bench.real(detector, wanted)
    return bench.generated(detector, wanted.count), real


def _counts(generated: Tensor, real: Tensor) -> dict[str, int]:
    return {"generated": len(generated), "real": len(real)}


def _error(values: Float[Tensor, " n"]) -> float | None:
    """Of the mean."""
    return values.std().item() / math.sqrt(len(values)) if len(values) > 1 else None


_MEASURES: dict[str, Callable[[Bench, Wanted], Result]] = {
    "fd": _frechet,
    "kd": _kernel,
    "fdbins": _by_yaw(_frechet_of),
    "kdbins": _by_yaw(_kernel_of),
    "pr": _precision,
    "is": _inception_score,
    "ppl2_wend": _path_length,
    "id": _identity,
    "maskmse": _masks,
    "yaw": _yaw,
    "depth": _depth,
    "raw": _raw,
    "mirror": _mirror,
    "shift": _shift,
}
