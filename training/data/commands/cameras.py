# SPDX-License-Identifier: Apache-2.0
"""`dataset_tool.py cameras`: camera files of other tools to dataset.json, and back."""

import contextlib
from pathlib import Path

import click
import numpy as np

from dnnlib.atomic import atomic_write_bytes
from dnnlib.clean_errors import clean_errors
from dnnlib.files import open_store
from training.cameras import HEAD_RADIUS
from training.data.camera_files.camera_set import CameraSet
from training.data.camera_files.convert import Conversion, check, convert, for_pictures, shape_notes, with_clean_names
from training.data.camera_files.formats import FORMATS, Format, read_cameras, write_cameras
from training.data.camera_files.pictures import Pictures
from training.data.camera_files.world import FLIPS, UPS, Flip, Up
from training.data.commands.options import force_option

_PATH = click.Path(path_type=Path)


@click.command(short_help="convert camera files to dataset.json and back")
@click.option("--source", type=_PATH, required=True, metavar="PATH", help="A camera file, or a folder or zip with one.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["auto", *FORMATS]),
    default="auto",
    show_default=True,
    help="What the source is: dataset.json or cameras.json (eg3d), transforms.json, or a COLMAP text model.",
)
@click.option(
    "--img_data",
    "--img-data",
    "img_data",
    type=_PATH,
    metavar="PATH",
    help="Folder or zip archive of the pictures. They give the names, and the sizes where the source has none.",
)
@click.option("--out", type=_PATH, required=True, metavar="PATH", help="The new file; for COLMAP a folder.")
@click.option("--to", type=click.Choice(FORMATS), default="eg3d", show_default=True, help="What is written.")
@click.option(
    "--up",
    type=click.Choice(UPS),
    default="y",
    show_default=True,
    help='The axis of the source\'s world that points up: it becomes +y. Blender and nerfstudio have z. "cameras" '
    "is what the pictures have up.",
)
@click.option(
    "--flip",
    "flips",
    type=click.Choice(FLIPS),
    multiple=True,
    help='Undoes what the source got wrong: "axes" negates the cameras\' y and z (OpenGL instead of OpenCV, or the '
    'other way round), "inverse" inverts the poses. Done first; may be given twice.',
)
@click.option("--recentre", is_flag=True, help="The point where all viewing rays meet becomes the origin.")
@click.option(
    "--front",
    default="",
    metavar="DEG|NAME",
    help="The azimuth that the subject looks to, after --up, in degrees (0 is +z, 90 is +x); or the name of a picture "
    "that shows the face from the front. It becomes +z.",
)
@click.option("--rescale", is_flag=True, help="The median distance of the cameras becomes --radius.")
@click.option(
    "--radius",
    type=click.FloatRange(0, min_open=True),
    default=HEAD_RADIUS,
    show_default=True,
    help="What --rescale makes the distance.",
)
@click.option(
    "--focal",
    type=click.FloatRange(0, min_open=True),
    metavar="WIDTHS",
    help="Replaces all intrinsics by this focal length, in picture widths, centred. EG3D's heads have 4.2647.",
)
@force_option
@clean_errors
def command(
    source: Path,
    form: str,
    img_data: Path | None,
    out: Path,
    to: Format,
    up: Up,
    flips: tuple[Flip, ...],
    recentre: bool,
    front: str,
    rescale: bool,
    radius: float,
    focal: float | None,
    force: bool,
) -> None:
    """Converts camera files: EG3D's dataset.json and cameras.json, transforms.json of nerfstudio, instant-ngp and
    Blender, and COLMAP models as text.

    The result has +y up, the subject at the origin looking to +z, and camera axes right, down, forward. What a file
    does not say (which way is up, where the subject is and looks to) is said by the options; cameras that do not look
    at an upright head are refused, with the options that would mend them. With --img_data the pictures are looked up
    under the names that the file uses, also without folder or extension.

    \b
    Examples:
      python dataset_tool.py cameras --source scene/transforms.json --img_data scene/images \\
          --up z --recentre --rescale --out scene/images/dataset.json
      python dataset_tool.py cameras --source colmap/sparse/0 --img_data photos \\
          --up cameras --recentre --rescale --front IMG_0012.jpg --out photos/dataset.json
      python dataset_tool.py cameras --source heads/dataset.json --img_data heads --to colmap --out heads_colmap
    """  # noqa: D301 (\b keeps the lines of the examples)
    _check_out(out, to, force)
    with contextlib.ExitStack() as stack:
        pictures = Pictures(stack.enter_context(open_store(img_data)) if img_data else None)
        cameras, found = read_cameras(source, None if form == "auto" else form, pictures.size_of)
        click.echo(f"{len(cameras)} cameras read from {source} ({found})")
        cameras = for_pictures(cameras, pictures) if img_data else with_clean_names(cameras)
        if to != "eg3d":
            cameras = _with_sizes(cameras, pictures)
    asked = Conversion(flips, up, recentre, front, rescale, radius, focal)
    converted = convert(cameras, asked)
    for note in [*converted.notes, *shape_notes(converted)]:
        click.echo(f"  {note}")
    if to == "eg3d":  # Other formats have no convention of the world to keep to.
        check(cameras, asked)
    click.echo(f"  {_summary(converted)}")
    for path, data in write_cameras(converted, to, out).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(path, data)
    click.echo(f"The cameras lie in {out}")


def _check_out(out: Path, to: Format, force: bool) -> None:
    if to != "colmap" and out.suffix.lower() != ".json":
        raise ValueError(f"{out}: a file of cameras ends in .json; name one with --out")
    if to != "colmap" and out.is_dir():
        raise ValueError(f"{out}: is a folder; name a file with --out")
    if (any(out.iterdir()) if out.is_dir() else out.exists()) and not force:
        raise ValueError(f"{out}: exists already; choose another --out, or replace it with --force")


def _with_sizes(cameras: CameraSet, pictures: Pictures) -> CameraSet:
    """Sizes of the pictures where the source did not say them."""
    unknown = (cameras.sizes <= 0).any(axis=1)
    for i in np.flatnonzero(unknown):
        cameras.sizes[i] = pictures.size_of(cameras.names[i]) or (0, 0)
    return cameras


def _summary(cameras: CameraSet) -> str:
    distance = np.linalg.norm(cameras.T_world_cam[:, :3, 3], axis=1)
    focal = cameras.intrinsics[:, 0, 0]
    return (
        f"distance {distance.min():.4g} to {distance.max():.4g}, focal length {focal.min():.4g} to {focal.max():.4g} "
        "picture widths"
    )
