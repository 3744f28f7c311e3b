# SPDX-License-Identifier: Apache-2.0
"""`dataset_tool.py align`: pictures with landmarks or head boxes, cropped to one scale and centre, with cameras."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import click

from dnnlib.clean_errors import clean_errors
from dnnlib.config_types import JSON
from dnnlib.files import open_store
from training.data.commands.options import (
    force_option,
    img_dest_option,
    seg_dest_option,
    workers_option,
)
from training.data.commands.problem_list import list_problems
from training.data.images import is_image
from training.data.making.alignment import Aligned, Alignment, PoseFrom, align
from training.data.making.alignment_report import write_alignment
from training.data.making.annotations import join_annotations, picture_key, read_boxes, read_landmarks
from training.data.making.building import build
from training.data.making.calibration import Offsets
from training.data.making.cropping import CropPictures
from training.data.masks import match_masks
from training.data.problems import DataError


class _Numbers(click.ParamType):
    """Numbers with commas between them."""

    name = "numbers"

    def __init__(self, count: int) -> None:
        self.count = count

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(word) for word in str(value).split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != self.count or not all(map(math.isfinite, numbers)):
            self.fail(f"{value!r} is not {self.count} numbers with commas between them", param)
        return numbers


@click.command(short_help="crop pictures by landmarks or head boxes to one scale and centre")
@click.option(
    "--img_data",
    "--img-data",
    "img_data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    required=True,
    help="Folder or zip archive of pictures of any size.",
)
@click.option(
    "--seg_data",
    "--seg-data",
    "seg_data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder or zip archive of their masks. Without it the pictures' transparency is the mask.",
)
@click.option(
    "--landmarks",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="68 facial landmarks: a folder of .pts, .txt or .json files, or one JSON file {name: [[x, y], ...]}.",
)
@click.option(
    "--boxes",
    type=click.Path(path_type=Path),
    metavar="JSON",
    help="Head boxes and poses: {name: {box: [x0, y0, x1, y1], yaw, pitch, roll}}, in pixels and degrees.",
)
@img_dest_option()
@seg_dest_option()
@click.option(
    "--resolution", type=click.IntRange(8, 4096), default=512, show_default=True, metavar="N", help="Of the crops."
)
@click.option(
    "--pose_from",
    type=click.Choice(["given", "landmarks"]),
    default="given",
    show_default=True,
    help="Whose pose becomes the label where one is given and there are landmarks too.",
)
@click.option(
    "--pose_signs",
    type=_Numbers(3),
    default=(1.0, 1.0, 1.0),
    show_default="1,1,1",
    metavar="Y,P,R",
    help="Factors, 1 or -1, that turn the given yaw, pitch and roll into ours (docs/conventions.md).",
)
@click.option(
    "--offsets",
    type=_Numbers(4),
    metavar="S,X,Y,Z",
    help="Scale and shifts from boxes to crops, from an earlier run, in place of a calibration.",
)
@workers_option
@force_option
@clean_errors
def command(
    img_data: Path,
    seg_data: Path | None,
    landmarks: Path | None,
    boxes: Path | None,
    img_dest: Path,
    seg_dest: Path | None,
    resolution: int,
    pose_from: PoseFrom,
    pose_signs: tuple[float, float, float],
    offsets: tuple[float, float, float, float] | None,
    workers: int,
    force: bool,
) -> None:
    """Crops heads out of pictures, upright, at one scale and centre from all around, and writes their cameras.

    Pictures with landmarks are cropped by them, the others by their head box; how boxes relate to landmarks is
    calibrated on pictures that have both. Poses are the camera's, as in docs/conventions.md; without one it is
    estimated from the landmarks. What cannot be used is listed and left out. A folder beside the new set holds
    crops.json (how every pixel came from its source), report.json and a contact sheet.

    \b
    Examples:
      # Faces with landmarks alone.
      python dataset_tool.py align --img_data photos --landmarks photos_pts --img_dest aligned.zip
      # Heads from all sides, with masks; a few hundred of the pictures have both landmarks and boxes.
      python dataset_tool.py align --img_data photos --seg_data mattes --landmarks faces.json --boxes heads.json \\
          --img_dest aligned_img.zip --seg_dest aligned_seg.zip --resolution 512
      # The same for more pictures of backs, with the offsets that the first run printed.
      python dataset_tool.py align --img_data backs --boxes backs.json --offsets 1.31,0.002,0.06,-0.05 \\
          --img_dest backs.zip
    """  # noqa: D301 (the \b is click's)
    if landmarks is None and boxes is None:
        raise DataError("nothing says where the heads are; give --landmarks, --boxes or both")
    if seg_data is not None and seg_dest is None:
        raise DataError("--seg_data is given, but not where its crops go; give --seg_dest")
    if not all(abs(sign) == 1 for sign in pose_signs):
        raise DataError(f"--pose_signs are 1 or -1, not {','.join(map(str, pose_signs))}")
    if offsets is not None and not offsets[0] > 0:
        raise DataError(f"the first of --offsets is a scale and positive, not {offsets[0]}")

    with open_store(img_data) as store:
        names = [name for name in store.names() if is_image(name)]
    if not names:
        raise DataError(f"{img_data}: has no pictures (PNG, JPEG or WebP)")
    found_landmarks, landmark_problems = read_landmarks(landmarks) if landmarks else ({}, [])
    found_boxes, box_problems = read_boxes(boxes, pose_signs) if boxes else ({}, [])
    annotations, unused = join_annotations(names, found_landmarks, found_boxes)
    alignment = align(dict(zip(names, annotations, strict=True)), Offsets(*offsets) if offsets else None, pose_from)
    problems = [*landmark_problems, *box_problems, *unused]
    told = {picture_key(problem.name) for problem in problems}
    problems += [problem for problem in alignment.problems if picture_key(problem.name) not in told]
    if not alignment.pictures:
        list_problems("problems", problems)
        raise DataError("no picture can be aligned; see the reasons above")

    summary = build(
        CropPictures(
            img_data.absolute(), tuple(alignment.pictures), resolution, seg_data and seg_data.absolute(),
            _mask_names(alignment.pictures, seg_data), with_masks=seg_dest is not None,
        ),
        len(alignment.pictures),
        img_dest=img_dest,
        seg_dest=seg_dest,
        settings=_settings(alignment, resolution, pose_from),
        workers=workers,
        force=force,
        description="crops",
        inputs=_digest(img_data, seg_data, alignment),
    )  # fmt: skip
    problems += summary.skipped
    folder = img_dest.with_name(img_dest.name.removesuffix(".zip") + "_alignment")
    write_alignment(folder, img_dest, alignment, resolution, problems)

    list_problems("problems; what they concern is left out", problems)
    _tell_agreement(alignment)
    click.echo(
        f"{summary.num_made} of {len(names)} pictures are aligned: {img_dest}" + (f", {seg_dest}" if seg_dest else "")
    )
    click.echo(f"Crop matrices, residuals and a contact sheet to look at: {folder}")


def _mask_names(pictures: Sequence[Aligned], seg_data: Path | None) -> tuple[str | None, ...] | None:
    if seg_data is None:
        return None
    with open_store(seg_data) as store:
        names = [name for name in store.names() if is_image(name)]
    places = match_masks([picture.name for picture in pictures], names)
    return tuple(names[place] if place >= 0 else None for place in places.tolist())


def _settings(alignment: Alignment, resolution: int, pose_from: PoseFrom) -> dict[str, JSON]:
    """What the set is made with."""
    return {
        "made_by": "align",
        "resolution": resolution,
        "pose_from": pose_from,
        "box_offsets": None if alignment.offsets is None else list(alignment.offsets),
    }


def _digest(img_data: Path, seg_data: Path | None, alignment: Alignment) -> str:
    """Unfinished work of another alignment is no part of this one."""
    parts = (str(img_data.absolute()), str(seg_data and seg_data.absolute()), alignment.pictures)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _tell_agreement(alignment: Alignment) -> None:
    if alignment.offsets is not None:
        numbers = ",".join(f"{number:.4g}" for number in alignment.offsets)
        click.echo(f"Offsets from boxes to crops: --offsets {numbers}")
    for key, what in (("before_calibration", "as they are"), ("after_calibration", "with these offsets")):
        if key in alignment.report:
            row = alignment.report[key]
            scale, centre = row["scale_error_median"], row["centre_error_median"]
            click.echo(
                f"  boxes {what}: scale off by {scale:.1%}, centre by {centre:.1%} of the picture's width (medians of "
                f"{row['pictures']} pictures with landmarks)"
            )
