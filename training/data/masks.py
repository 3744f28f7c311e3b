# SPDX-License-Identifier: Apache-2.0
"""Which mask belongs to which image: the one of the same *stem*, the path without its last extension.

`00000/img1.jpg` has the mask `00000/img1.png`. Upper and lower case count.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from training.data.problems import DataError


def stem(name: str) -> str:
    """`00000/img1.jpg` -> `00000/img1`. The dot of a hidden file's name and those of folders are no extension's."""
    folder, slash, base = name.rpartition("/")
    head, dot, _ = base.rpartition(".")
    return folder + slash + (head if dot and head else base)


def match_masks(image_names: Sequence[str], mask_names: Sequence[str]) -> Int64[np.ndarray, " images"]:
    """For every image the place of its mask in `mask_names`, or -1. Masks without an image are left over.

    A stem that two masks share, or two images one of which could claim the mask of the other, is refused.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(mask_names):
        if (first := places.setdefault(stem(name), place)) != place:
            raise _shared("masks", mask_names[first], name)
    stems = [stem(name) for name in image_names]
    if len(set(stems)) < len(stems):
        owners: dict[str, str] = {}
        for key, name in zip(stems, image_names, strict=True):
            if owners.setdefault(key, name) != name and key in places:
                raise _shared("images", owners[key], name)
    return np.fromiter((places.get(key, -1) for key in stems), dtype=np.int64, count=len(stems))


def _shared(kind: str, first: str, second: str) -> DataError:
    return DataError(
        f"{first} and {second}: two {kind} of one name but for the extension, and masks are matched by that name; "
        "remove or rename one"
    )
