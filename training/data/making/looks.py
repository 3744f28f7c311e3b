# SPDX-License-Identifier: Apache-2.0
"""What one look at every picture and mask of a set finds, each by itself or beside a few others."""

import dataclasses
import functools
import hashlib
import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from dnnlib.progress import progress
from training.data.making.mask_fit import Fit, best_moved, edges, fit, small_mask
from training.data.making.raw_set import RawSet, problem_of
from training.data.making.resample import have_one_shape
from training.data.making.workers import in_parallel
from training.data.problems import Problem

_TOGETHER = 32  # Items that a worker looks at before it reports.
_MIN_SIDE = 24  # Of pictures whose edges can be compared with those of masks.
_MIN_DIFFERENCE = 0.06  # Mean, of masks that differ enough to tell which is the right one.
_ORIENTATION = 0x0112


class MaskLook(NamedTuple):
    """What is seen of a mask."""

    size: tuple[int, int]  # Width and height.
    digest: bytes
    least: int
    most: int
    border: float  # Mean of the upper and side borders, 0 to 1. The neck leaves at the lower one.
    centre: float


class Look(NamedTuple):
    """What is seen of an item."""

    problem: Problem | None = None  # It cannot be read.
    size: tuple[int, int] = (0, 0)  # Width and height, upright.
    form: str = ""  # What kind of pixels the file holds.
    orientation: int = 1
    digest: bytes = b""
    mask: MaskLook | None = None
    better: str = ""  # What fits much better than the mask, if anything does.
    beats_far_mask: float | None = None  # 1 if its mask fits better than one from afar, 0 if not, None if unknown.


def look_through(raw: RawSet, alpha_is_mask: bool, workers: int) -> list[Look]:
    """Looks at all items, in their order."""
    num = len(raw.names)
    jobs = [range(start, min(start + _TOGETHER, num)) for start in range(0, num, _TOGETHER)]
    found: dict[int, list[Look]] = {}
    with progress(num, "checking", unit="img") as bar:
        for job, looks in in_parallel(_LookAt(raw, alpha_is_mask), jobs, workers):
            found[job.start] = looks
            bar.advance(len(job))
    return [look for start in sorted(found) for look in found[start]]


@dataclasses.dataclass(frozen=True, eq=False)
class _LookAt:
    """Looks at some items. Workers get a copy of it."""

    raw: RawSet
    alpha_is_mask: bool

    def __call__(self, items: range) -> list[Look]:
        small = functools.lru_cache(maxsize=4 * _TOGETHER)(self._small_mask)
        return [self._look(item, small) for item in items]

    def _look(self, item: int, small: Callable[[int], Float[np.ndarray, "64 64"] | None]) -> Look:
        file = self.raw.image_file(item)
        try:
            form, orientation = file_form(self.raw.images.read(self.raw.names[item]))
            pixels = self.raw.read_image(item)
        except (ValueError, OSError) as error:
            return Look(problem_of(error, file))
        height, width = pixels.shape[:2]
        look = Look(None, (width, height), form, orientation, _digest(pixels[:, :, :3]))
        try:
            mask = self._mask(item, pixels)
        except (ValueError, OSError) as error:
            return look._replace(problem=problem_of(error, self.raw.mask_file(item)))
        if mask is None:
            return look
        look = look._replace(mask=_look_at_mask(mask))
        if min(width, height) < _MIN_SIDE or not have_one_shape(mask.shape, (height, width)):
            return look
        return self._compare(look, item, pixels, small_mask(mask), small)

    def _compare(
        self,
        look: Look,
        item: int,
        pixels: UInt8[np.ndarray, "height width channels"],
        mask: Float[np.ndarray, "64 64"],
        small: Callable[[int], Float[np.ndarray, "64 64"] | None],
    ) -> Look:
        """The mask beside others."""
        picture = edges(pixels)
        own = fit(mask, picture)
        alternatives: list[tuple[str, Fit]] = [
            ("its own mask, mirrored,", fit(mask[:, ::-1], picture)),
            ("its own mask, upside down,", fit(mask[::-1], picture)),
        ]
        moved, (right, down) = best_moved(mask, picture)
        alternatives.append((f"its own mask, moved by {right / 64:+.0%} and {down / 64:+.0%} of the size,", moved))
        num = len(self.raw.names)
        for neighbour in (item - 1, item + 1):
            other = small(neighbour) if 0 <= neighbour < num else None
            if other is not None:
                alternatives.append((f"the mask of {self.raw.names[neighbour]}", fit(other, picture)))
        name, best = max(alternatives, key=lambda named: named[1].strength)
        afar = small((item + num // 2) % num) if num > 1 else None
        beats = None
        if afar is not None and np.abs(afar - mask).mean() >= _MIN_DIFFERENCE:
            beats = float(own.strength > fit(afar, picture).strength)
        return look._replace(better=name if own.is_beaten_by(best) else "", beats_far_mask=beats)

    def _mask(
        self, item: int, pixels: UInt8[np.ndarray, "height width channels"]
    ) -> UInt8[np.ndarray, "mask_height mask_width"] | None:
        if self.alpha_is_mask:
            return pixels[:, :, 3] if pixels.shape[2] == 4 else None
        has_mask = self.raw.mask_names is not None and self.raw.mask_names[item]
        return self.raw.read_mask(item) if has_mask else None

    def _small_mask(self, item: int) -> Float[np.ndarray, "64 64"] | None:
        try:
            mask = self._mask(item, self.raw.read_image(item) if self.alpha_is_mask else np.zeros((1, 1, 3), np.uint8))
        except (ValueError, OSError):
            return None  # Told when its turn comes.
        return None if mask is None else small_mask(mask)


def file_form(data: bytes) -> tuple[str, int]:
    """What kind of pixels a file holds, and its orientation by the EXIF data. Files that are no pictures have none."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            kinds = {"L": "grey", "LA": "grey", "1": "grey", "I": "16-bit grey", "P": "palette", "PA": "palette"}
            kind = "16-bit grey" if picture.mode.startswith("I;16") else kinds.get(picture.mode, "colour")
            transparency = " with transparency" if picture.has_transparency_data else ""
            return kind + transparency, int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # Of damaged files: decoding them says what is wrong.
        return "", 1


def _look_at_mask(mask: UInt8[np.ndarray, "height width"]) -> MaskLook:
    height, width = mask.shape
    frame, middle = max(1, min(height, width) // 16), (height // 3, width // 3)
    border = np.concatenate([mask[:frame].ravel(), mask[:, :frame].ravel(), mask[:, -frame:].ravel()])
    centre = mask[middle[0] : height - middle[0], middle[1] : width - middle[1]]
    return MaskLook(
        (width, height),
        _digest(mask),
        int(mask.min()),
        int(mask.max()),
        float(border.mean() / 255),
        float(centre.mean() / 255),
    )


def _digest(pixels: np.ndarray) -> bytes:
    return hashlib.blake2b(
        np.ascontiguousarray(pixels), digest_size=16, person=str(pixels.shape).encode()[:16]
    ).digest()
