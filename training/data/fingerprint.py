# SPDX-License-Identifier: Apache-2.0
"""What is recorded of the data a run has seen, so that it does not silently go on with other data.

Files may move; what counts is the names of the images in their order, their cameras and weights, and their size. Pixels
are not read.
"""

import hashlib
from typing import TypedDict

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
    digest.update("\n".join(index.names[:]).encode())
    if index.labels is not None:
        digest.update(index.labels.tobytes())
    digest.update(dataset.weights.tobytes())
    return {"items": len(dataset), "digest": digest.hexdigest()}
