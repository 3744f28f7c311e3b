# SPDX-License-Identifier: Apache-2.0
"""Pictures about pictures, with Pillow alone: a canvas with smooth lines and text, and contact sheets.

A *picture* is an array of uint8, height x width (grey) or height x width x channels (grey, RGB, RGBA). Coordinates on a
canvas are pixels, x to the right, y down, with (0, 0) in the upper left corner. Charts are in dnnlib/charts.py.
"""

import functools
import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

Picture = UInt8[np.ndarray, "height width *channels"]
RGBPicture = UInt8[np.ndarray, "height width 3"]
Point = tuple[float, float]
Color = tuple[int, int, int]

PAPER: Color = (250, 250, 248)
INK: Color = (38, 42, 48)
PALE: Color = (206, 208, 212)
FAINT: Color = (232, 233, 235)
MUTED: Color = (112, 118, 128)
ALARM: Color = (190, 40, 36)

_GLYPHS = frozenset(map(chr, range(32, 127))) | frozenset("°±…")  # Of the font within Pillow.
_SMOOTH = 3  # Canvas pixels are drawn as 3 x 3 and averaged, since Pillow's lines have stairs.
_GAP = 4
_LABEL_SIZE = 12
_MAX_CELL = 256


class Box(NamedTuple):
    """A rectangle of a canvas, right and bottom not included."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Its width."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Its height."""
        return self.bottom - self.top

    @property
    def centre(self) -> Point:
        """Its middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Canvas:
    """A sheet of paper with smooth lines and text on it."""

    def __init__(self, width: int, height: int, paper: Color = PAPER) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * _SMOOTH, height * _SMOOTH), paper)
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def line(self, points: Sequence[Point], color: Color = INK, width: float = 1, alpha: float = 1) -> None:
        """An open line through the points."""
        self._draw.line(_scaled(points), _rgba(color, alpha), max(1, round(width * _SMOOTH)), joint="curve")

    def polygon(
        self, points: Sequence[Point], fill: Color | None = None, outline: Color | None = None, alpha: float = 1
    ) -> None:
        """A filled area, its edge drawn where it has a colour. `alpha` is the fill's."""
        if fill is not None:
            self._draw.polygon(_scaled(points), _rgba(fill, alpha))
        if outline is not None:
            self.line([*points, points[0]], outline)

    def rectangle(self, box: Box, fill: Color | None = None, outline: Color | None = None, alpha: float = 1) -> None:
        """A polygon of four corners."""
        left, top, right, bottom = box
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill, outline, alpha)

    def disc(
        self, centre: Point, radius: float, fill: Color | None = None, outline: Color | None = None, alpha: float = 1
    ) -> None:
        """A circle."""
        self.ellipse(centre, (radius, radius), fill, outline, alpha)

    def ellipse(
        self, centre: Point, radii: Point, fill: Color | None = None, outline: Color | None = None, alpha: float = 1
    ) -> None:
        """An ellipse along the axes."""
        angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        (x, y), (rx, ry) = centre, radii
        self.polygon([(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles], fill, outline, alpha)

    def text(
        self, position: Point, text: str, size: float = _LABEL_SIZE, color: Color = INK, anchor: str = "la"
    ) -> None:
        """One line. The anchor says which point of it is at the position: l, m, r across and a, m, s down."""
        self._draw.text(_scaled([position])[0], printable(text), _rgba(color, 1), _font(size * _SMOOTH), anchor=anchor)

    def paste(self, picture: Picture, left: int, top: int) -> None:
        """A picture, pixel for pixel."""
        # Enlarged by whole pixels, so that averaging gives them back.
        large = as_rgb(picture).repeat(_SMOOTH, axis=0).repeat(_SMOOTH, axis=1)
        self._image.paste(Image.fromarray(large), (left * _SMOOTH, top * _SMOOTH))

    def picture(self) -> RGBPicture:
        """What is on the canvas."""
        return np.asarray(self._image.reduce(_SMOOTH))


def contact_sheet(
    pictures: Iterable[Picture],
    columns: int | None = None,
    labels: Sequence[str] | None = None,
    cell: int | None = None,
    title: str = "",
) -> RGBPicture:
    """Pictures of any sizes in equal square cells, row by row, each fitted into its cell and a label below it.

    A cell is as large as the largest picture, at most 256, unless `cell` says otherwise. Without `columns` the sheet
    comes out a little wider than high. What is transparent shows a chequered ground.
    """
    pictures = list(pictures)
    if not pictures:
        raise ValueError("A contact sheet needs at least one picture.")
    if labels is not None and len(labels) != len(pictures):
        raise ValueError(f"There are {len(pictures)} pictures and {len(labels)} labels; give one label per picture.")
    cell = cell or min(_MAX_CELL, max(max(picture.shape[:2]) for picture in pictures))
    columns = min(columns or math.ceil(math.sqrt(1.3 * len(pictures))), len(pictures))
    rows = -(-len(pictures) // columns)
    strip = _LABEL_SIZE + 6 if labels is not None else 0
    header = 28 if title else 0
    pitch_x, pitch_y = cell + _GAP, cell + strip + _GAP

    sheet = Image.new("RGB", (columns * pitch_x + _GAP, header + rows * pitch_y + _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((_GAP + 2, 7), fitted_text(title, sheet.width - 2 * _GAP, 15), INK, _font(15))
    for i, picture in enumerate(pictures):
        left, top = _GAP + i % columns * pitch_x, header + _GAP + i // columns * pitch_y
        image = Image.fromarray(as_rgb(fitted(picture, cell)))
        sheet.paste(image, (left + (cell - image.width) // 2, top + (cell - image.height) // 2))
        if labels is not None:
            text = fitted_text(labels[i], cell, _LABEL_SIZE)
            draw.text((left + cell / 2, top + cell + 2), text, INK, _font(_LABEL_SIZE), anchor="ma")
    return np.asarray(sheet)


def joined(panels: Sequence[RGBPicture], *, vertical: bool = False, gap: int = 12) -> RGBPicture:
    """Pictures side by side, or one below the other, on one paper."""
    heights, widths = ([panel.shape[axis] for panel in panels] for axis in (0, 1))
    gaps = gap * (len(panels) - 1)
    shape = (sum(heights) + gaps, max(widths)) if vertical else (max(heights), sum(widths) + gaps)
    sheet = np.full((*shape, 3), PAPER, dtype=np.uint8)
    offset = 0
    for panel, height, width in zip(panels, heights, widths, strict=True):
        top, left = (offset, 0) if vertical else (0, offset)
        sheet[top : top + height, left : left + width] = panel
        offset += (height if vertical else width) + gap
    return sheet


def fitted(picture: Picture, side: int) -> Picture:
    """The picture, smaller or larger, so that its longer side is `side`."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return picture
    single = picture.ndim == 3 and picture.shape[2] == 1
    image = Image.fromarray(picture[..., 0] if single else picture)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def as_rgb(picture: Picture) -> RGBPicture:
    """Grey repeated, alpha over a chequered ground."""
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.shape[2] in (1, 3):
        return np.broadcast_to(picture, (*picture.shape[:2], 3))
    if picture.shape[2] != 4:
        raise ValueError(f"A picture has 1, 3 or 4 channels, not {picture.shape[2]} (shape {picture.shape}).")
    y, x = np.indices(picture.shape[:2]) // 8
    ground = np.where((x + y) % 2, 225, 245)[..., None]
    alpha = picture[..., 3:] / 255
    return np.rint(ground + (picture[..., :3] - ground) * alpha).astype(np.uint8)


def printable(text: str) -> str:
    """The text in letters that the built-in font has; accents are dropped, and what it does not know becomes "?"."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    kept = (c for c in plain if not unicodedata.combining(c))
    return "".join(c if c in _GLYPHS else "?" for c in kept)


def text_width(text: str, size: float) -> float:
    """Pixels that a line of text is wide."""
    return _font(size).getlength(text)


def fitted_text(text: str, width: float, size: float) -> str:
    """The text, its middle left out where it is too wide. Names of files differ at their ends."""
    text = printable(text)
    kept, shown = len(text), text
    while kept > 1 and text_width(shown, size) > width:
        kept -= 1
        shown = text[: kept // 2] + "..." + text[len(text) - (kept - kept // 2) :]
    return shown


@functools.cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def wrapped(text: str, width: float, size: float) -> list[str]:
    """The text in lines of at most that width, broken at spaces. Its own line breaks stay."""
    lines = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if line and text_width(printable(longer), size) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(fitted_text(line, width, size))
    return lines


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * _SMOOTH, y * _SMOOTH) for x, y in points]


def _rgba(color: Color, alpha: float) -> tuple[int, int, int, int]:
    return (*color, round(255 * alpha))
