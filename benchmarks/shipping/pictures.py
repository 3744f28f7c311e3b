# SPDX-License-Identifier: Apache-2.0
"""The pictures of a card: heads that nobody chose, from all around, by gen_samples.py's own code; and a curve."""

import tempfile
from pathlib import Path

import click
import numpy as np
from PIL import Image

import gen_samples
import gen_videos
from dnnlib.atomic import atomic_write_bytes
from dnnlib.charts import BLUE, Axis, Plot
from dnnlib.drawing import Box, Canvas, RGBPicture
from dnnlib.svg_charts import linear_scale
from training.data.images import encode_png

SAMPLES = (
    "--seeds=0-15",
    "--yaws=0,45,90,135,180,-135,-90,-45",
    "--pitches=0",
    "--trunc=1",
    "--grid=2x8",
)
FILM = ("--seeds=0-11", "--grid=6x2", "--w-frames=48", "--fps=15", "--background=#ffffff")
_WIDTH, _HEIGHT = 720, 260


def samples(weights: Path, path: Path, device: str) -> None:
    """Seeds 0 to 15, all that the model has learned, on one sheet."""
    with tempfile.TemporaryDirectory() as folder:
        _call(gen_samples.main, f"--network={weights}", f"--outdir={folder}", f"--device={device}", *SAMPLES)
        with Image.open(Path(folder, "grid0000.png")) as image:
            sheet = np.asarray(image)
    atomic_write_bytes(path, encode_png(sheet, 9))


def film(weights: Path, path: Path, device: str) -> None:
    """Seeds 0 to 11, which turn once around."""
    _call(gen_videos.main, f"--network={weights}", f"--output={path}", f"--device={device}", *FILM)


def _call(command: click.Command, *arguments: str) -> None:
    context = command.make_context(command.name, list(arguments))
    with context:
        command.invoke(context)


def curve(name: str, points: list[list[float]], path: Path) -> None:
    """A metric over thousands of images."""
    atomic_write_bytes(path, encode_png(_curve(name, points), 9))


def _curve(name: str, points: list[list[float]]) -> RGBPicture:
    x = linear_scale(0, max(nimg for nimg, _ in points) / 1000)
    y = linear_scale(0, max(value for _, value in points))
    canvas = Canvas(_WIDTH, _HEIGHT)
    plot = Plot(
        canvas,
        Box(104, 40, _WIDTH - 24, _HEIGHT - 46),
        Axis("thousand images", x.low, x.high, x.ticks),
        Axis(name, 0, y.high * 1.05, y.ticks),
    )
    plot.draw_x()
    plot.draw_y()
    places = [plot.at(nimg / 1000, value) for nimg, value in points]
    if len(places) > 1:
        canvas.line(places, BLUE, 2)
    for place in places:
        canvas.disc(place, 3, BLUE)
    return canvas.picture()
