# SPDX-License-Identifier: Apache-2.0
"""What can be written, and what of it cannot: told before any frame is made.

A *format* follows from the ending of a name; no ending means a folder of numbered PNG pictures. A *video* is what all
its frames have in common.
"""

import dataclasses
import os
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from dnnlib.atomic import unfinished
from dnnlib.text import nearest

MIN_FPS, MAX_FPS = 0.1, 240  # Slower ones cannot be told in every format.
_MAX_PIXELS = 8192 * 4320  # What the highest levels of H.264 hold, and what players take.


class VideoError(ValueError):
    """A video that cannot be written."""


class Format(NamedTuple):
    """What kind of file."""

    codec: str | None  # Of FFmpeg; None: written by Pillow.
    max_side: int
    max_quality: int | None = None  # The worst constant rate factor; None: the format has no such thing.
    even: bool = False
    alpha: bool = False
    max_fps: int = MAX_FPS


FOLDER = ""
FORMATS = {
    ".mp4": Format("libx264", 8192, max_quality=51, even=True),
    ".webm": Format("libvpx-vp9", 8192, max_quality=63, even=True, alpha=True),
    ".gif": Format(None, 4096, max_fps=50),  # Browsers show faster ones at ten frames a second.
    FOLDER: Format(None, 65535, alpha=True),
}


@dataclasses.dataclass(frozen=True)
class Video:
    """What all frames have in common, and how small they are to become."""

    width: int
    height: int
    fps: float = 30
    alpha: bool = False  # Frames are RGBA.
    bitrate: int | None = None  # Bits per second.
    quality: int | None = None  # Constant rate factor: 0 is best. None, and no bitrate: good for looking at closely.


def ending(path: str | Path) -> str:
    """The key of FORMATS that a name means."""
    suffix = Path(path).suffix.lower()
    if suffix in FORMATS:
        return suffix
    known = ", ".join(filter(None, FORMATS))
    close = nearest(suffix, filter(None, FORMATS))
    hint = f" Did you mean {close}?" if close else ""
    raise VideoError(
        f"{path}: a video ends in {known}, not {suffix}.{hint} A name without an ending is a folder of PNG pictures."
    )


def check_video(path: str | Path, video: Video) -> None:
    """Raises VideoError unless such a video can be written there. Makes the folder that it goes to."""
    suffix = ending(path)
    form, name = FORMATS[suffix], suffix.removeprefix(".") or "a folder of PNG pictures"
    size = f"{video.width} x {video.height}"
    if min(video.width, video.height) < 2 or max(video.width, video.height) > form.max_side:
        raise VideoError(
            f"{path}: frames of {size} do not fit into {name}, whose sides have 2 to {form.max_side} pixels"
        )
    if form.codec and video.width * video.height > _MAX_PIXELS:
        raise VideoError(
            f"{path}: frames of {size} are more than players take, {_MAX_PIXELS} pixels; make them smaller"
        )
    if form.even and (video.width % 2 or video.height % 2):
        raise VideoError(f"{path}: frames of {size} do not fit into {name}, which wants even sizes; crop or pad by one")
    if video.alpha and not form.alpha:
        raise VideoError(f"{path}: {name} has no transparency; write .webm or a folder, or put something behind")
    if not MIN_FPS <= video.fps <= form.max_fps:
        raise VideoError(f"{path}: {name} shows {MIN_FPS} to {form.max_fps} frames a second, not {video.fps:g}")
    _check_rate(path, name, form, video)
    if form.codec and form.codec not in load_av().codecs_available:
        raise VideoError(f"{path}: this build of PyAV has no encoder {form.codec} for {name}; write another format")
    _check_place(Path(path), suffix)


def load_av() -> ModuleType:
    """PyAV, which carries FFmpeg."""
    try:
        import av  # noqa: PLC0415 - optional
    except ImportError as error:
        raise VideoError(
            f"mp4 and webm are written by PyAV, which cannot be imported ({error}): pip install 'fullhead[video]', "
            "or write .gif or a folder of PNG pictures"
        ) from None
    return av


def _check_rate(path: str | Path, name: str, form: Format, video: Video) -> None:
    if video.bitrate is None and video.quality is None:
        return
    if form.max_quality is None:
        raise VideoError(f"{path}: {name} has no bitrate and no quality to set; leave them out")
    if video.bitrate is not None and video.quality is not None:
        raise VideoError(f"{path}: a bitrate and a quality were given; one follows from the other, so give one")
    if video.bitrate is not None and not 1_000 <= video.bitrate <= 2_000_000_000:
        raise VideoError(f"{path}: a bitrate is 1k to 2G bits a second, such as 30M, not {video.bitrate}")
    if video.quality is not None and not 0 <= video.quality <= form.max_quality:
        raise VideoError(f"{path}: the quality of {name} is 0 (best) to {form.max_quality}, not {video.quality}")


def _check_place(path: Path, suffix: str) -> None:
    path = Path(os.path.realpath(path))
    if suffix == FOLDER:
        if path.exists() and not path.is_dir():
            raise VideoError(f"{path}: is a file, and a folder of PNG pictures was to be written; choose another name")
        foreign = [child.name for child in path.iterdir() if not is_frame(child.name)] if path.is_dir() else []
        if foreign:
            raise VideoError(f"{path}: holds {foreign[0]!r}, which is no frame of a video; choose another folder")
    elif path.is_dir():
        raise VideoError(f"{path}: is a folder, though its name is that of a video; choose another name")
    trial = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise VideoError(f"{path}: nothing can be written there ({error.strerror}); choose another place") from None


def is_frame(name: str) -> bool:
    """Whether a file of a folder is a frame."""
    return name.endswith(".png") and name.removesuffix(".png").isdigit()
