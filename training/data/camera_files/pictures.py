# SPDX-License-Identifier: Apache-2.0
"""The pictures that a camera file speaks of: found by the names that it uses for them, and measured.

Camera files name pictures relative to some folder of their own, often without the extension. A name belongs to the
picture of the same stem that agrees with most of its folders.
"""

import io
from collections import defaultdict
from collections.abc import Sequence

from PIL import Image, UnidentifiedImageError

from dnnlib.files import Store
from training.data.camera_files.camera_set import CameraFileError, Size
from training.data.images import is_image
from training.data.labels import clean_name
from training.data.masks import stem


class Pictures:
    """The images of a set, or of none."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self.names = [name for name in store.names() if is_image(name)] if store else []
        self._by_base: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            self._by_base[_base(name)].append(name)

    def find(self, name: str) -> str | None:
        """The picture that a camera file means, or None."""
        wanted = clean_name(name)
        scores = {candidate: _agreement(wanted, candidate) for candidate in self._by_base.get(_base(wanted), [])}
        best = [candidate for candidate, score in scores.items() if score == max(scores.values())]
        if len(best) > 1:
            raise CameraFileError(
                f"{name}: may be {best[0]!r} or {best[1]!r}; write the paths in the camera file as they are in the set"
            )
        return best[0] if best else None

    def size_of(self, name: str) -> Size | None:
        """Width and height as stored, before any rotation that EXIF asks for: what camera files count in."""
        found = self.find(name)
        if found is None or self._store is None:
            return None
        try:
            with Image.open(io.BytesIO(self._store.read(found))) as image:
                return image.size
        except (UnidentifiedImageError, OSError):
            raise CameraFileError(f"{found}: is not a picture that can be read; replace it, or leave it out") from None


def _base(name: str) -> str:
    """The last part of the path, without extension. A name without one may have a dot in it, such as frame_0.5."""
    last = name.rpartition("/")[2]
    return stem(last) if is_image(last) else last


def _agreement(wanted: str, candidate: str) -> tuple[int, bool]:
    """How many folders agree, counted from the picture upwards, and whether the extension does too."""
    common = 0
    for a, b in zip(_folders(wanted), _folders(candidate), strict=False):
        if a != b:
            break
        common += 1
    return common, wanted.rpartition("/")[2] == candidate.rpartition("/")[2]


def _folders(name: str) -> Sequence[str]:
    return name.split("/")[-2::-1]
