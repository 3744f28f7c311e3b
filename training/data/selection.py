# SPDX-License-Identifier: Apache-2.0
"""How often every image is drawn: weights that follow from its camera, its source, and whether it can be used.

An image that is left out has the weight 0. Azimuth and elevation are those of the viewing direction, so an image from
behind is one that shows the back of the head. Weights are relative; their sum means nothing.
"""

import math
import reprlib

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64

from dnnlib.config_types import JSON
from torch_utils import rng
from training.cameras import camera_from_label, view_angles
from training.data.config import SelectionConfig
from training.data.problems import DataError

# Labels are stored with six decimals, so a camera at exactly 90 degrees may be read as slightly less.
_TOLERANCE_DEG = 1e-3
_CHUNK = 1 << 16


def select(
    labels: Float32[np.ndarray, "n 25"] | None,
    usable: Bool[np.ndarray, " n"],
    source_weights: Float64[np.ndarray, " n"] | None,
    config: SelectionConfig,
    *,
    seed: int,
) -> Float64[np.ndarray, " n"]:
    """The weights of all images. A selection that leaves nothing is refused, and told what there is."""
    weights = usable.astype(np.float64)
    if config != SelectionConfig(max_size=config.max_size):  # The angles of a million cameras take half a second.
        if labels is None:
            raise DataError("a selection by yaw or pitch needs cameras; drop it, or set data.use_labels=yes")
        azimuth_deg, elevation_deg = angles_deg(labels)
        weights *= _view_weights(np.abs(azimuth_deg), np.abs(elevation_deg), config)
        if not weights.any():
            raise DataError(_nothing_left(azimuth_deg[usable], elevation_deg[usable], config))
    if source_weights is not None:
        weights *= source_weights
        if not weights.any():
            raise DataError("the selection leaves only images of sources whose weight is 0; give them a weight")
    kept = np.flatnonzero(weights)
    if config.max_size is not None and config.max_size < len(kept):
        words = rng.words(seed, "dataset subset", torch.from_numpy(kept), (2,)).numpy()
        order = np.lexsort((kept, words[:, 1], words[:, 0]))
        weights[kept[order[config.max_size :]]] = 0
    return weights


def angles_deg(
    labels: Float32[np.ndarray, "n 25"],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Azimuth and elevation of all cameras. NaN where the label is."""
    angles = np.empty((2, len(labels)))
    for start in range(0, len(labels), _CHUNK):
        camera = camera_from_label(torch.from_numpy(labels[start : start + _CHUNK].copy()))
        azimuth_rad, elevation_rad, _ = view_angles(camera)
        angles[:, start : start + _CHUNK] = torch.stack([azimuth_rad, elevation_rad]).numpy()
    return np.degrees(angles[0]), np.degrees(angles[1])


def source_weights(sources: JSON, num_images: int, where: str) -> Float64[np.ndarray, " n"] | None:
    """The weights that the sources of a packed set give its images, so that each source has its share of the draws.

    `sources` stands in dataset.json: a list of {"name", "first", "count", "weight"}, which cuts the images, in order,
    into ranges. None where there is no such list.
    """
    if sources is None:
        return None
    entries = sources if isinstance(sources, list) else [sources]
    weights = np.zeros(num_images)
    end = 0
    for entry in entries:
        if not isinstance(entry, dict) or not {"name", "first", "count", "weight"} <= set(entry):
            raise DataError(f"{where}: a source is {reprlib.repr(entry)}; write name, first, count and weight")
        first, count, weight = entry["first"], entry["count"], entry["weight"]
        source = f"{where}: source {reprlib.repr(entry['name'])}"
        if first != end or type(count) is not int or not 0 <= count <= num_images - end:
            raise DataError(
                f"{source} begins at image {reprlib.repr(first)} with {reprlib.repr(count)} images; sources follow "
                f"each other without gap, so it begins at {end}, and the set has {num_images} images; pack it again"
            )
        if type(weight) not in (int, float) or not 0 <= weight <= 1e9:
            raise DataError(f"{source} has the weight {reprlib.repr(weight)}; write a share, such as 0.5")
        weights[end : end + count] = weight / max(count, 1)
        end += count
    if end != num_images:
        raise DataError(f"{where}: its sources have {end} images together, but the set has {num_images}; pack it again")
    if not weights.any():
        raise DataError(f"{where}: all of its sources have the weight 0; give one of them a weight")
    return weights


def _view_weights(
    yaw_deg: Float64[np.ndarray, " n"], pitch_deg: Float64[np.ndarray, " n"], config: SelectionConfig
) -> Float64[np.ndarray, " n"]:
    above = yaw_deg >= config.min_yaw_deg - _TOLERANCE_DEG
    below = yaw_deg <= config.max_yaw_deg + _TOLERANCE_DEG
    is_kept = above & below & (pitch_deg <= config.max_pitch_deg + _TOLERANCE_DEG)
    is_back = yaw_deg >= 90 - _TOLERANCE_DEG
    return is_kept * np.where(is_back, config.back_repeat, 1.0)


def _nothing_left(
    azimuth_deg: Float64[np.ndarray, " n"], elevation_deg: Float64[np.ndarray, " n"], config: SelectionConfig
) -> str:
    yaw = _histogram(np.abs(azimuth_deg), 180.0, 8)
    pitch = _histogram(np.abs(elevation_deg), 90.0, 6)
    return (
        f"no image has an absolute yaw in {config.min_yaw_deg:g} .. {config.max_yaw_deg:g} and an absolute pitch up to "
        f"{config.max_pitch_deg:g} degrees; widen the selection. There are\n  yaw    {yaw}\n  pitch  {pitch}"
    )


def _histogram(values: Float64[np.ndarray, " n"], top: float, num_bins: int) -> str:
    counts, edges = np.histogram(values, num_bins, (0, math.nextafter(top, math.inf)))
    return ", ".join(f"{low:g}..{high:g}: {count}" for low, high, count in zip(edges, edges[1:], counts, strict=False))
