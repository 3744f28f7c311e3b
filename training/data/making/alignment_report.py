# SPDX-License-Identifier: Apache-2.0
"""What an alignment leaves beside the new set: how every picture was cropped, how well all agree, a sheet to see it.

    crops.json        {"resolution": R, "crops": {name: {"source", "T_source_crop", "crop_from", "pose_from"}}}
    report.json       counts, offsets, residuals, everything that was left out and why
    contact_sheet.png pictures by azimuth, with the outline that a mean head has in every view

`T_source_crop`, row by row, gives source pixels (x, y, 1) from pixels of the crop; both count from the top left corner
of the top left pixel of the upright picture.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from dnnlib.atomic import atomic_write_text
from dnnlib.drawing import Canvas, contact_sheet
from dnnlib.files import open_store
from training.cameras import HEAD_FOCAL, HEAD_RADIUS
from training.data.images import decode_image
from training.data.labels import DATASET_JSON, read_dataset_json
from training.data.making.alignment import Aligned, Alignment
from training.data.problems import Problem

HEAD_OUTLINE_WORLD = 0.25  # From the middle of the mean head to its chin; the crown is not much farther.
_SHOWN = 42
_COLUMNS = 7
_CELL = 160
_YELLOW = (255, 214, 0)


def write_alignment(
    folder: Path, img_dest: Path, alignment: Alignment, resolution: int, problems: Sequence[Problem]
) -> None:
    """Writes the folder for a set that was made."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = _sources(img_dest)
    aligned = {picture.name: picture for picture in alignment.pictures}
    made = {name: aligned[source] for name, source in sources.items()}
    atomic_write_text(folder / "crops.json", _crops_json(made, resolution))
    report = alignment_report(alignment, made, resolution, problems)
    atomic_write_text(folder / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    Image.fromarray(_sheet(img_dest, made)).save(folder / "contact_sheet.png")


def alignment_report(
    alignment: Alignment, made: Mapping[str, Aligned], resolution: int, problems: Sequence[Problem]
) -> dict[str, object]:
    """Everything that can be said in numbers."""
    return {
        "pictures": len(made),
        "crop_from": dict(Counter(picture.crop_from for picture in made.values())),
        "pose_from": dict(Counter(picture.pose_from for picture in made.values())),
        "enlarged_more_than_twice": sum(2 * picture.crop.side < resolution for picture in made.values()),
        "offsets": None if alignment.offsets is None else alignment.offsets._asdict(),
        **alignment.report,
        "left_out": [problem._asdict() for problem in problems],
    }


def _sources(img_dest: Path) -> dict[str, str]:
    """Names of the source pictures, by those in the set."""
    with open_store(img_dest) as store:
        settings = read_dataset_json(store.read(DATASET_JSON), f"{img_dest}/{DATASET_JSON}").settings
    return dict(settings["fnames"])


def _crops_json(made: Mapping[str, Aligned], resolution: int) -> str:
    """One line for each picture, so that sets of any size can be searched and compared."""
    lines = []
    for name, picture in made.items():
        row = {
            "source": picture.name,
            "T_source_crop": picture.crop.matrix(resolution).flatten().tolist(),
            "crop_from": picture.crop_from,
            "pose_from": picture.pose_from,
        }
        lines.append(f"{json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}")
    return f'{{"resolution": {resolution}, "crops": {{\n' + ",\n".join(lines) + "\n}}\n"


def _sheet(img_dest: Path, made: Mapping[str, Aligned]) -> UInt8[np.ndarray, "height width 3"]:
    """Pictures spread over the azimuths, so that front, sides and back stand beside each other."""
    ordered = sorted(made, key=lambda name: made[name].view.azimuth_rad)
    places = np.unique(np.linspace(0, len(ordered) - 1, min(_SHOWN, len(ordered))).round().astype(int))
    names = [ordered[place] for place in places]
    with open_store(img_dest) as store:
        cells = [_with_outline(decode_image(store.read(name), name)) for name in names]
    labels = [f"{math.degrees(made[name].view.azimuth_rad):.0f}° by {made[name].crop_from}" for name in names]
    title = "The head should fill the circle in every view, its middle on the cross"
    return contact_sheet(cells, columns=_COLUMNS, labels=labels, cell=_CELL, title=title)


def _with_outline(picture: UInt8[np.ndarray, "side side channels"]) -> UInt8[np.ndarray, "height width 3"]:
    canvas = Canvas(_CELL, _CELL)
    image = Image.fromarray(picture).resize((_CELL, _CELL), Image.Resampling.LANCZOS)
    canvas.paste(np.asarray(image), 0, 0)
    middle = (_CELL / 2, _CELL / 2)
    canvas.disc(middle, HEAD_FOCAL * HEAD_OUTLINE_WORLD / HEAD_RADIUS * _CELL, outline=_YELLOW)
    for x, y in ((6, 0), (0, 6)):
        canvas.line([(middle[0] - x, middle[1] - y), (middle[0] + x, middle[1] + y)], _YELLOW)
    return canvas.picture()
