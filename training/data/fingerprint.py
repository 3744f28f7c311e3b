# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a data set, so that other data is not silently taken for it. Files may move.

A run's *fingerprint* is of the names of the images in their order, their cameras and weights, and their size. Pixels
are not read. The *content* of a set is of its pixels, cameras and weights, whatever the images are called.
"""

import hashlib
from typing import TypedDict

import numpy as np

from dnnlib.progress import progress
from training.data.dataset import ImageDataset


class Fingerprint(TypedDict):
    """Of a data set."""

    items: int
    digest: str


def fingerprint(dataset: ImageDataset) -> Fingerprint:
    """The same for the same images with the same labels, wherever they lie."""
    index = dataset.index
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{len(dataset)} {dataset.resolution} {dataset.is_mirrored} {index.mask_source}\n".encode())
    digest.update(index.names.lines())
    if index.labels is not None:
        digest.update(index.labels.tobytes())
    digest.update(dataset.weights.tobytes())
    return {"items": len(dataset), "digest": digest.hexdigest()}


def content_digest(dataset: ImageDataset) -> str:
    """The same for the same pictures that may be drawn, with the same cameras and weights, in the same order."""
    index = dataset.index
    drawn = np.flatnonzero(dataset.weights > 0)
    rows = np.unique(drawn % len(index))
    digest = hashlib.blake2b(f"{len(drawn)} {dataset.is_mirrored}\n".encode(), digest_size=16)
    for row in progress(rows.tolist(), "content of the data set", unit="img"):
        digest.update(b"%d %d\n" % index.image_checksum(row))
    if index.labels is not None:
        digest.update(index.labels[rows].tobytes())
    digest.update(drawn.tobytes() + dataset.weights[drawn].tobytes())
    return digest.hexdigest()
