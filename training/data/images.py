# SPDX-License-Identifier: Apache-2.0
"""Bytes of picture files <-> arrays of pixels: PNG, JPEG and WebP, whatever they hold inside.

A picture becomes 8-bit RGB, or RGBA where it has transparency: grey levels are repeated, palettes looked up, 16-bit
grey rounded to 8, CMYK converted, a rotation noted in the EXIF data carried out. Colour profiles are not applied.
Colours under transparent pixels stay as they are stored. A *mask* is 8-bit grey, 0 background and 255 head; soft edges
lie between. What cannot be read so is refused, and the error names the file.
"""

import io
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFile, ImageOps

from training.data.problems import DataError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_PIXELS = 1 << 26  # 8192 x 8192. Larger ones are scans, or made to exhaust the memory.

_FORMATS = ("PNG", "JPEG", "WEBP")
_MODES_16_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # How versions of Pillow show 16-bit grey.
_GREY_TOLERANCE = 8  # JPEG stores grey as colours that differ by a few levels.
_REWRITE = "save it again from its source, or leave it out"

# Pillow warns of pictures that are larger still before it refuses; we refuse at once.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class ImageError(DataError):
    """A file that is no picture, or not one we can take. The message names it."""


def is_image(name: str) -> bool:
    """Whether a file is a picture, by its name. Hidden ones are not, nor are the twins that macOS packs into zips."""
    path = "/" + name
    return path.lower().endswith(IMAGE_SUFFIXES) and "/." not in path and "/__MACOSX/" not in path


def decode_image(data: bytes, name: str) -> UInt8[np.ndarray, "height width channels"]:
    """The pixels: 3 channels, or 4 where there is transparency. `name` is for the errors."""
    picture = _open(data, name)
    if picture.mode in _MODES_16_BIT:
        return np.repeat(_grey_from_16_bit(picture, name)[:, :, None], 3, axis=2)
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    return np.array(_convert(picture, mode, name))


def decode_mask(data: bytes, name: str) -> UInt8[np.ndarray, "height width"]:
    """The mask: the grey levels, or the transparency of a picture that is transparent somewhere."""
    picture = _open(data, name)
    if picture.mode in _MODES_16_BIT:
        mask = _grey_from_16_bit(picture, name)
    elif picture.mode == "L" and not picture.has_transparency_data:
        mask = np.array(picture)
    else:
        pixels = np.array(_convert(picture, "RGBA", name))
        alpha = pixels[:, :, 3]
        mask = alpha.copy() if alpha.min() < 255 else _grey_of(pixels[:, :, :3], name)
    if mask.max() == 1:
        raise _error(name, "its largest value is 1, as if 1 meant head", "a mask is 0 to 255: multiply it by 255")
    return mask


def encode_png(pixels: UInt8[np.ndarray, "height width *channels"], compress_level: int = 0) -> bytes:
    """A PNG of grey [H, W], RGB or RGBA [H, W, C]. Level 0 does not compress: large, and quickest to read."""
    return _encode(pixels, "PNG", compress_level=compress_level)


def encode_jpeg(pixels: UInt8[np.ndarray, "height width *channels"], quality: int = 100) -> bytes:
    """A JPEG of grey [H, W] or RGB [H, W, 3], its colours as fine as its brightness."""
    return _encode(pixels, "JPEG", quality=quality, subsampling=0)


def _encode(pixels: np.ndarray, kind: str, **options: int) -> bytes:
    allowed = (3,) if kind == "JPEG" else (3, 4)
    assert pixels.ndim == 2 or pixels.shape[2] in allowed, f"{kind} of shape {pixels.shape}"
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, **options)
    return file.getvalue()


def _open(data: bytes, name: str) -> Image.Image:
    """The picture, decoded and upright."""
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        # MPO is a JPEG with further views behind it, from phones; its first view is the picture.
        if getattr(picture, "is_animated", False) and picture.format != "MPO":
            raise _error(name, "is an animation", "save the one frame that is meant")
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise _error(name, f"has {width} x {height} pixels, more than {MAX_PIXELS}", "scale it down")
        if width * height == 0:
            raise _error(name, f"has {width} x {height} pixels", _REWRITE)
        picture.load()
        return ImageOps.exif_transpose(picture)
    except ImageError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _error(name, f"has more than {MAX_PIXELS} pixels", "scale it down") from None
    except Image.UnidentifiedImageError:
        what = "is an empty file" if not data else "is not a PNG, JPEG or WebP picture"
        raise _error(name, what, _REWRITE) from None
    except Exception as error:  # The decoders of Pillow raise whatever a damaged file makes them raise.
        raise _error(name, f"is damaged ({_first_line(error)})", _REWRITE) from None


def _convert(picture: Image.Image, mode: str, name: str) -> Image.Image:
    try:
        return picture if picture.mode == mode else picture.convert(mode)
    except ValueError:
        raise _error(name, f"has colours of the kind {picture.mode}", "save it as RGB") from None


def _grey_from_16_bit(picture: Image.Image, name: str) -> UInt8[np.ndarray, "height width"]:
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise _error(name, "has values beyond 16 bits", "save it with 8 bits per channel")
    return ((values + 128) // 257).astype(np.uint8)


def _grey_of(rgb: UInt8[np.ndarray, "height width 3"], name: str) -> UInt8[np.ndarray, "height width"]:
    spread = rgb.max(axis=2) - rgb.min(axis=2)
    if spread.max() > _GREY_TOLERANCE:
        remedy = "a mask is grey, 0 background and 255 head; class colours and pictures must be turned into that"
        raise _error(name, "has colours, so it is no mask", remedy)
    return rgb[:, :, 1].copy()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _error(name: str, reason: str, remedy: str) -> ImageError:
    return ImageError(f"{name}: {reason}; {remedy}")


# A truncated picture is an error, also where another library in this process told Pillow otherwise.
ImageFile.LOAD_TRUNCATED_IMAGES = False
