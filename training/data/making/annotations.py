# SPDX-License-Identifier: Apache-2.0
"""What detectors said of pictures, in the files they leave: 68 facial landmarks, head boxes, rough poses.

Landmarks are a folder or zip with one file per picture (`.pts`, `.txt`, `.json`), or one JSON file for all. Boxes and
poses are one JSON file. Names in them are those of the pictures, with or without the extension:

    landmarks.json  {"anna.jpg": [[x, y], ... 68 of them], ...}
    boxes.json      {"anna.jpg": {"box": [x0, y0, x1, y1], "yaw": 10, "pitch": -3, "roll": 1}, ...}

Pixels are those of the upright picture, with EXIF rotation applied. Angles are degrees, of the camera as in
docs/conventions.md: yaw is the azimuth, 0 from the front, growing as the camera moves to the subject's left; pitch is
the elevation, positive where the camera looks down; roll turns the camera clockwise. An entry may lack the box, or the
pose.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Complex

from dnnlib.files import open_store
from training.data.images import is_image
from training.data.making.calibration import HeadBox
from training.data.making.face_fit import View
from training.data.making.head_points import NUM_POINTS
from training.data.masks import stem
from training.data.problems import DataError, Problem

T = TypeVar("T")
Landmarks = Complex[np.ndarray, "68"]

_LANDMARK_SUFFIXES = (".pts", ".txt", ".json")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_LANDMARK_REMEDY = "write the 68 points of the iBUG order (dlib's), or leave the entry out"
_BOX_REMEDY = 'write {"box": [x0, y0, x1, y1], "yaw": degrees, "pitch": degrees, "roll": degrees}, or leave it out'
_FEWEST = 8  # Poses that tell the unit of their angles.
_MAX_PIXEL = 1e6  # Larger coordinates are no pixels.


class Annotation(NamedTuple):
    """What is known of one picture."""

    landmarks: Landmarks | None = None
    box: HeadBox | None = None
    view: View | None = None


def read_landmarks(path: str | Path) -> tuple[dict[str, Landmarks], list[Problem]]:
    """Landmarks by the stems of pictures, and the entries that are none."""
    path = Path(path)
    entries: Iterable[tuple[str, Callable[[], Landmarks]]]
    if path.suffix.lower() == ".json" and not path.is_dir():
        entries = [(name, lambda value=value: _points(value)) for name, value in _read_object(path).items()]
        return _gather(entries, _LANDMARK_REMEDY)
    with open_store(path) as store:
        names = [name for name in store.names() if name.lower().endswith(_LANDMARK_SUFFIXES)]
        if not names:
            kinds = ", ".join(_LANDMARK_SUFFIXES)
            raise DataError(f"{path}: has no landmark files ({kinds}); name their folder, or one JSON file for all")
        entries = [(name, lambda name=name: _parse_points(name, store.read(name))) for name in names]
        return _gather(entries, _LANDMARK_REMEDY)


def read_boxes(
    path: str | Path, pose_signs: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> tuple[dict[str, Annotation], list[Problem]]:
    """Boxes and views by the stems of pictures, and the entries that are neither. Signs are of yaw, pitch and roll."""
    entries = _read_object(Path(path)).items()
    readers = ((name, lambda value=value: _box_and_view(value, pose_signs)) for name, value in entries)
    found, problems = _gather(readers, _BOX_REMEDY)
    _refuse_radians(Path(path), [note.view for note in found.values() if note.view is not None])
    return found, problems


def join_annotations(
    image_names: list[str], landmarks: Mapping[str, Landmarks], boxes: Mapping[str, Annotation]
) -> tuple[list[Annotation], list[Problem]]:
    """The annotation of every picture, and those that no picture asked for."""
    joined = []
    stems: dict[str, str] = {}
    for name in image_names:
        key = picture_key(name)
        if key in stems:
            raise DataError(f"{stems[key]} and {name}: two pictures of one name but for the extension; rename one")
        stems[key] = name
        joined.append(boxes.get(key, Annotation())._replace(landmarks=landmarks.get(key)))
    left_over = sorted((landmarks.keys() | boxes.keys()) - stems.keys())
    if left_over and len(left_over) == len(landmarks.keys() | boxes.keys()):
        raise DataError(
            f"no annotation has the name of a picture: annotations are of {left_over[0]!r}, for example, pictures of "
            f"{image_names[0]!r}; names include folders and are matched without the extension"
        )
    remedy = "names include folders and are matched without the extension: rename it, or leave it out"
    return joined, [Problem(key, "is annotated, but there is no such picture", remedy) for key in left_over]


# ----------------------------------------------------------------------------------------------------------------------


def _gather(entries: Iterable[tuple[str, Callable[[], T]]], remedy: str) -> tuple[dict[str, T], list[Problem]]:
    found: dict[str, T] = {}
    problems = []
    for name, read in entries:
        try:
            value = read()
        except ValueError as error:
            problems.append(Problem(name, str(error), remedy))
            continue
        if picture_key(name) in found:
            problems.append(Problem(name, "is annotated twice", "keep one of both"))
        found[picture_key(name)] = value
    return found, problems


def picture_key(name: str) -> str:
    """By what pictures and annotations are matched: the stem, also of a name that has a dot but no extension."""
    name = name.replace("\\", "/").removeprefix("./")
    return stem(name) if is_image(name) or name.lower().endswith(_LANDMARK_SUFFIXES) else name


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes().decode("utf-8-sig"), parse_int=float)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file; name a JSON file of annotations") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; name the JSON file of annotations itself") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not valid JSON ({error}); write it again") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: is not an object from picture names to annotations; write {{name: annotation}}")
    return value


def _parse_points(name: str, data: bytes) -> Landmarks:
    text = data.decode("utf-8-sig")
    if name.lower().endswith(".json"):
        return _points(json.loads(text, parse_int=float))
    if "{" in text:  # .pts files have a header, and the points in braces.
        text = text[text.index("{") + 1 :].partition("}")[0]
    words = text.replace(",", " ").split()
    wrong = next((word for word in words if not _NUMBER.fullmatch(word)), None)
    if wrong is not None:
        raise ValueError(f"has {wrong[:40]!r} where a number should be")
    return _points([float(word) for word in words])


def _points(value: Any) -> Landmarks:
    if isinstance(value, dict) and "landmarks" in value:
        value = value["landmarks"]
    numbers = list(_numbers(value))
    if len(numbers) != 2 * NUM_POINTS:
        raise ValueError(f"has {len(numbers) / 2:g} points, not {NUM_POINTS}")
    return np.array(numbers).view(np.complex128)


def _numbers(value: Any, depth: int = 0) -> Iterator[float]:
    """The numbers of a flat list, or of a list of pairs."""
    if isinstance(value, list) and depth < 2:
        if depth == 1 and len(value) != 2:
            raise ValueError(f"has a point of {len(value)} numbers, not 2; a picture has one face")
        for item in value:
            yield from _numbers(item, depth + 1)
    else:
        yield _number(value, "a coordinate", _MAX_PIXEL)


def _number(value: Any, what: str, limit: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is {str(value)[:40]!r} and not a number")
    if not abs(value) <= limit:
        raise ValueError(f"{what} is {str(value)[:40]}")
    return float(value)


def _refuse_radians(path: Path, views: list[View]) -> None:
    """Heads from all around whose angles are too small for that."""
    if len(views) < _FEWEST:
        return
    yaw, pitch = (max(abs(math.degrees(view[axis])) for view in views) for axis in (0, 1))
    if 2 < yaw < 3.15 and pitch < 1.575:
        raise DataError(
            f"{path}: no yaw of its {len(views)} poses is beyond {yaw:.3g}, no pitch beyond {pitch:.3g}: they are "
            "radians; write degrees"
        )


def _box_and_view(value: Any, pose_signs: tuple[float, float, float]) -> Annotation:
    if not isinstance(value, dict):
        raise ValueError("is not an object")
    if not {"box", "yaw", "pitch"} & value.keys():
        raise ValueError("has neither a box nor a pose")
    box = view = None
    if "box" in value:
        corners = value["box"]
        if not isinstance(corners, list) or len(corners) != 4:
            raise ValueError("its box is not [x0, y0, x1, y1]")
        box = HeadBox(*(_number(corner, "a corner of its box", _MAX_PIXEL) for corner in corners))
        if not (box.x1 > box.x0 and box.y1 > box.y0):
            raise ValueError(f"its box {corners} has x1 <= x0 or y1 <= y0; is it [x, y, width, height]?")
    if "yaw" in value or "pitch" in value:
        angles = [_number({"roll": 0, **value}.get(key), f"its {key}", 360.0) for key in ("yaw", "pitch", "roll")]
        view = View(*(math.radians(sign * angle) for sign, angle in zip(pose_signs, angles, strict=True)))
        if abs(view.elevation_rad) > math.pi / 2:
            raise ValueError(f"its pitch is {angles[1]} degrees, beyond straight up or down")
    return Annotation(box=box, view=view)
