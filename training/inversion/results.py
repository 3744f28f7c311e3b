# SPDX-License-Identifier: Apache-2.0
"""The files that an inversion leaves. Names are those of PanoHead's projector where it has the same thing.

projected_w.npz     styles, cameras, styles of the background
delta.safetensors   what was changed of the generator
target.png proj.png the pictures and what came of them, from where they were taken
sheet.png           the same, and the heads from all sides before and after tuning
proj.mp4            how it went
inversion.json      how close it came, how long it took
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from dnnlib.atomic import atomic_write_bytes, atomic_write_text
from dnnlib.drawing import RGBPicture
from dnnlib.video.formats import Video
from dnnlib.video.writer import open_video
from training.data.images import encode_png
from training.inversion.inverting import Inversion
from training.inversion.loop import FRAME_SIZE
from training.inversion.report import Report, sitter_of
from training.inversion.targets import Targets
from training.portraits.latents import write_latent
from training.pretrained.delta import save_delta
from training.shapes.export import export_shapes
from training.watch.pictures import colours

LATENT, DELTA, VIDEO, SHEET, NUMBERS = (
    "projected_w.npz",
    "delta.safetensors",
    "proj.mp4",
    "sheet.png",
    "inversion.json",
)


def write_results(
    folder: Path, inversion: Inversion, targets: Targets, network: str, about: dict[str, Any]
) -> dict[str, Any]:
    """All but video and shapes. `network` is what people call the base. Gives what inversion.json has."""
    write_latent(folder / LATENT, inversion.latent)
    if inversion.tuned is not inversion.base:
        save_delta(folder / DELTA, inversion.base, inversion.tuned, network, {"targets": list(targets.names)})
    report = Report(inversion, targets)
    for view, name in enumerate(_names(len(targets))):
        _write_png(folder / f"target{name}.png", _pixels(targets.images[view]))
        _write_png(folder / f"proj{name}.png", _pixels(report.final[view]))
    _write_png(folder / SHEET, report.sheet())
    numbers = {"network": network, **about, "elapsed_s": round(inversion.course.elapsed_s, 1), **report.numbers()}
    atomic_write_text(folder / NUMBERS, json.dumps(numbers, indent=1) + "\n")
    return numbers


def video_of(resolution: int, fps: float) -> Video:
    """Target and picture side by side."""
    side = min(resolution, FRAME_SIZE)
    return Video(2 * side, side, fps)


def write_video(folder: Path, frames: list[bytes], video: Video) -> None:
    """The progress."""
    with open_video(folder / VIDEO, video) as writer:
        for frame in frames:
            writer.write(np.asarray(Image.open(io.BytesIO(frame)).convert("RGB")))


def write_shapes(folder: Path, inversion: Inversion, resolution: int) -> None:
    """A volume for ChimeraX and a surface with a texture, of each head."""
    for head, name in enumerate(_names(len(inversion.latent.ws))):
        sitter = sitter_of(inversion.tuned, inversion.latent, head)
        paths = [folder / f"geometry{name}.{kind}" for kind in ("mrc", "glb")]
        export_shapes(inversion.tuned, sitter, paths, resolution=resolution)


def _names(count: int) -> list[str]:
    """One is plain, several are numbered."""
    return [""] if count == 1 else [f"_{i:02d}" for i in range(count)]


def _pixels(picture: Float[Tensor, "3 size size"]) -> RGBPicture:
    return colours(picture.cpu())


def _write_png(path: Path, picture: RGBPicture) -> None:
    atomic_write_bytes(path, encode_png(picture, 6))
