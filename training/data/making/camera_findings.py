# SPDX-License-Identifier: Apache-2.0
"""What is wrong, or at least odd, about the cameras of a set."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from training.camera_checks import LabelError, check_labels
from training.data.labels import DATASET_JSON
from training.data.making.findings import Finding, finding
from training.data.making.raw_set import RawSet, problem_of
from training.data.problems import DataError
from training.data.selection import source_weights

_FEWEST = 8  # Cameras that have a usual value.
# How far from the usual a camera has to be to be odd: so much, and so many times the typical distance.
_FOCAL_FACTOR, _DISTANCE_FACTOR, _CENTRE = 1.3, 1.5, 0.1
_TYPICAL = 10.0


def camera_findings(raw: RawSet) -> list[Finding]:
    """All of them, by file."""
    where = f"{raw.images.path}/{DATASET_JSON}"
    if raw.labels is None and raw.broken:
        return []  # That it cannot be read is told already.
    if raw.labels is None:
        what = "has no camera labels"
        return [finding("no camera", where, what, "write them with dataset_tool.py cameras or align")]
    places = {name: item for item, name in enumerate(raw.names)}
    found = []
    for problem in raw.label_problems:
        if problem.name in places:
            item = places[problem.name]
            found.append(Finding("no camera", problem._replace(name=raw.image_file(item)), [item]))
        else:
            found.append(Finding("unused label", problem, is_mended=True))
    remedy = "remove the entry, or bring the image back"
    for name in raw.unused_labels:
        found.append(finding("unused label", f"{where}: {name}", "is the label of an image that is not there", remedy))
    try:
        source_weights(raw.settings.get("sources"), len(raw.names), where)
    except DataError as error:
        found.append(Finding("wrong sources", problem_of(error, where)))
    wrong = list(_wrong(raw, where))
    bad = {item for each in wrong for item in each.items}
    sound = np.array([i for i in np.flatnonzero(raw.has_label).tolist() if i not in bad], dtype=int)
    return [*found, *wrong, *_odd(raw, sound)]


def _wrong(raw: RawSet, where: str) -> Iterator[Finding]:
    """Cameras that are none, or of a foreign convention. One mistake after the other, until the rest is sound."""
    left = np.flatnonzero(raw.has_label)
    num_labels = len(left)
    while len(left):
        try:
            check_labels(raw.labels[left])
            return
        except LabelError as error:
            bad = left[error.indices].tolist()
            left = np.delete(left, error.indices)
            what, remedy = _told(error)
        if len(bad) == num_labels and num_labels > 1:
            yield finding(
                "wrong camera", where, f"all {num_labels} cameras are wrong; of the first, {what}", remedy, *bad
            )
            continue
        first = raw.names[bad[0]]
        for item in bad:
            reason = what if item == bad[0] else f"its camera is wrong as that of {first} is"
            yield finding("wrong camera", raw.image_file(item), reason, remedy, item)


def _told(error: LabelError) -> tuple[str, str]:
    """Reason and remedy out of the message: what is wrong, the likely cause, the recipe or a help."""
    lines = str(error).splitlines()
    what = lines[0].partition(" is wrong: ")[2].rstrip(".")
    cause = next((line.partition(": ")[2].rstrip(".") for line in lines if line.startswith("Likely cause")), None)
    what += f" (likely cause: {cause})" if cause else ""
    return f"its camera is wrong: {what}", f"mend `labels` [n, 25]: {error.recipe}" if error.recipe else lines[-1]


def _odd(raw: RawSet, sound: np.ndarray) -> Iterator[Finding]:
    """Cameras that could be right, but are unlike all others."""
    if not len(sound):
        return
    labels = raw.labels[sound].astype(np.float64)
    T, K = labels[:, :16].reshape(-1, 4, 4), labels[:, 16:].reshape(-1, 3, 3)
    remedy = "compare it with its neighbours in dataset.json, and estimate it again or leave the image out"
    focals, distances, centres = K[:, [0, 1], [0, 1]], np.linalg.norm(T[:, :3, 3], axis=1), K[:, :2, 2]
    tests: list[tuple[str, Bool[np.ndarray, " n"], np.ndarray]] = [
        ("focal length", _is_far(np.log(focals), np.log(_FOCAL_FACTOR)).any(axis=1), focals),
        ("distance", _is_far(np.log(distances)[:, None], np.log(_DISTANCE_FACTOR)).any(axis=1), distances[:, None]),
        ("principal point", _is_far(centres, _CENTRE).any(axis=1), centres),
    ]
    for name, is_odd, values in tests:
        usual = _numbers(np.median(values, axis=0))
        for row in np.flatnonzero(is_odd).tolist():
            reason = f"its camera's {name} is {_numbers(values[row])}, where {usual} is usual"
            yield finding("odd camera", raw.image_file(int(sound[row])), reason, remedy, int(sound[row]))
    origins = np.einsum("nij,nj->ni", K, np.einsum("nji,nj->ni", T[:, :3, :3], -T[:, :3, 3]))
    seen = origins[:, :2] / np.maximum(origins[:, 2:], 1e-6)
    for row in np.flatnonzero(((seen < 0) | (seen > 1)).any(axis=1)).tolist():
        reason = f"its camera sees the head's centre at {_numbers(seen[row])}, outside the picture (0 to 1)"
        yield finding("odd camera", raw.image_file(int(sound[row])), reason, remedy, int(sound[row]))


def _is_far(values: Float[np.ndarray, "n d"], least: float) -> Bool[np.ndarray, "n d"]:
    """Which values are far from the median, by the given amount and by what is typical here."""
    if len(values) < _FEWEST:
        return np.zeros(values.shape, bool)
    off = np.abs(values - np.median(values, axis=0))
    return off > np.maximum(least, _TYPICAL * np.median(off, axis=0))


def _numbers(values: np.ndarray) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
