# SPDX-License-Identifier: Apache-2.0
"""Pictures of every kind become the pixels one sees, or are refused by name."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.training.data.sets import attempt
from training.data.images import (
    MAX_PIXELS,
    ImageError,
    decode_image,
    decode_mask,
    encode_jpeg,
    encode_png,
    is_image,
)
from training.data.problems import DataError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
RGB = np.stack([GREY, GREY[::-1], 255 - GREY], axis=2)
SMOOTH = np.repeat(np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8)[:, :, None] * 2, 3, axis=2)


def saved(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png_of_size(width, height):
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    chunks = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(b"\0" * 100)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("channels", [0, 3, 4])
@pytest.mark.parametrize("level", [0, 9])
def test_what_is_encoded_as_png_comes_back_bit_by_bit(channels, level):
    shape = (5, 7) + ((channels,) if channels else ())
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    decode = decode_image if channels else decode_mask
    assert np.array_equal(decode(encode_png(pixels, level), "x.png"), pixels)


def test_jpeg_keeps_a_smooth_picture_to_a_level_or_two():
    decoded = decode_image(encode_jpeg(SMOOTH), "x.jpg")
    assert np.abs(decoded.astype(int) - SMOOTH).max() <= 2


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", mode) for mode in ("L", "1", "LA", "P", "RGBA", "RGB")]
    + [("JPEG", mode) for mode in ("L", "CMYK", "RGB")]
    + [("WEBP", mode) for mode in ("RGBA", "RGB")],
)
def test_modes_become_rgb_or_rgba(kind, mode):
    picture = Image.fromarray(RGB).convert(mode)
    data = saved(picture, kind, **({"lossless": True} if kind == "WEBP" else {"quality": 100}))
    pixels = decode_image(data, "x")
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    with Image.open(io.BytesIO(data)) as stored:  # WebP drops an alpha channel that says nothing.
        expected = picture.convert("RGBA" if stored.has_transparency_data else "RGB")
    difference = np.abs(pixels.astype(int) - np.asarray(expected))
    assert difference.mean() <= (8 if kind == "JPEG" else 0)


def test_other_formats_are_refused_by_name():
    with pytest.raises(ImageError, match=r"x\.tif: is not a PNG, JPEG or WebP"):
        decode_image(saved(Image.fromarray(RGB), "TIFF"), "x.tif")


def test_grey_levels_are_repeated():
    assert np.array_equal(decode_image(encode_png(GREY), "x.png"), np.repeat(GREY[:, :, None], 3, axis=2))


def test_16_bit_grey_is_rounded_to_the_nearest_level():
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    data = saved(Image.fromarray(values))
    expected = np.round(values / 257).astype(np.uint8)
    assert np.array_equal(decode_image(data, "x.png")[:, :, 1], expected)
    assert np.array_equal(decode_mask(data, "x.png"), expected)


def test_transparency_of_a_palette_and_of_a_single_colour_is_transparency():
    palette = Image.fromarray(GREY).convert("P")
    assert decode_image(saved(palette, transparency=0), "x.png").shape[2] == 4
    one_colour = saved(Image.fromarray(RGB), transparency=tuple(RGB[0, 0].tolist()))
    pixels = decode_image(one_colour, "x.png")
    assert pixels[0, 0, 3] == 0
    assert (pixels[..., 3] == 255).sum() == (RGB[0, 0] != RGB).any(axis=2).sum()


def test_colours_under_transparent_pixels_stay():
    pixels = np.dstack([RGB, np.zeros_like(GREY)])
    assert np.array_equal(decode_image(encode_png(pixels), "x.png"), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotation_noted_in_exif_is_carried_out(orientation):
    # What the orientations mean, by the EXIF standard: where row 0 and column 0 of the stored picture are seen.
    upright = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: p.swapaxes(0, 1)[:, ::-1],
        7: lambda p: p.swapaxes(0, 1)[::-1, ::-1],
        8: lambda p: p.swapaxes(0, 1)[::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode_image(saved(Image.fromarray(RGB), exif=exif), "x.png"), upright(RGB))
    assert np.array_equal(decode_mask(saved(Image.fromarray(GREY), exif=exif), "x.png"), upright(GREY))


def test_of_a_jpeg_with_several_views_the_first_is_taken():
    views = [Image.fromarray(SMOOTH), Image.fromarray(255 - SMOOTH)]
    data = saved(views[0], "MPO", save_all=True, append_images=views[1:], quality=95)
    assert np.abs(decode_image(data, "phone.jpg").astype(int) - SMOOTH).max() < 20


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_is_refused(kind):
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    with pytest.raises(ImageError, match=r"a/moving: is an animation; save the one frame"):
        decode_image(data, "a/moving")


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (9_000, 8_000), (MAX_PIXELS + 1, 1)])
def test_a_picture_that_declares_too_many_pixels_is_refused_before_it_takes_memory(size):
    with pytest.raises(ImageError, match=r"bomb\.png: has .* pixels.*; scale it down"):
        decode_image(png_of_size(*size), "bomb.png")


def test_a_picture_that_declares_more_than_it_has_is_damaged():
    with pytest.raises(ImageError, match=r"x\.png: is damaged"):
        decode_image(png_of_size(500, 500), "x.png")


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"text", b"GIF89a" + bytes(50), b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_refused_by_name(data):
    with pytest.raises(ImageError, match=r"^folder/x\.png: "):
        decode_image(data, "folder/x.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_any_truncation_is_refused(kind):
    data = saved(Image.fromarray(SMOOTH), kind)
    whole = decode_image(data, "x")
    for length in range(0, len(data), 7):
        result = attempt(decode_image, data[:length], "x")
        if isinstance(result, ImageError):
            assert str(result).startswith("x: ")
        else:
            assert np.array_equal(result, whole), f"{length} of {len(data)} bytes were taken for a whole picture"


@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8),
)
def test_any_damage_gives_a_picture_or_an_error_with_the_name(kind, changes):
    data = bytearray(saved(Image.fromarray(SMOOTH), kind))
    for at, value in changes:
        data[at % len(data)] = value
    for decode in (decode_image, decode_mask):
        result = attempt(decode, bytes(data), "some/x")
        assert str(result).startswith("some/x: ") if isinstance(result, DataError) else result.dtype == np.uint8


def test_a_bit_that_turned_over_in_a_stored_png_is_noticed():
    data = encode_png(SMOOTH)
    middle = len(data) // 2
    with pytest.raises(ImageError, match="is damaged"):
        decode_image(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :], "x.png")


# Masks.


def test_a_mask_may_be_stored_as_colours_that_are_grey():
    assert np.array_equal(decode_mask(saved(Image.fromarray(GREY).convert("RGB")), "m"), GREY)
    assert np.array_equal(decode_mask(saved(Image.fromarray(GREY).convert("RGBA")), "m"), GREY)
    assert np.array_equal(decode_mask(saved(Image.fromarray(GREY > 100)), "m"), (GREY > 100) * np.uint8(255))
    from_jpeg = decode_mask(encode_jpeg(SMOOTH), "m")
    assert np.abs(from_jpeg.astype(int) - SMOOTH[:, :, 0]).max() <= 2


def test_transparency_of_a_mask_is_the_mask():
    pixels = np.dstack([RGB, GREY])
    assert np.array_equal(decode_mask(encode_png(pixels), "m"), GREY)


@pytest.mark.parametrize("picture", [Image.fromarray(RGB), Image.fromarray(RGB).convert("P")])
def test_a_picture_or_a_map_of_class_colours_is_no_mask(picture):
    with pytest.raises(ImageError, match=r"m\.png: has colours, so it is no mask"):
        decode_mask(saved(picture), "m.png")


def test_a_mask_of_zeros_and_ones_is_refused_rather_than_taken_for_background():
    with pytest.raises(ImageError, match="multiply it by 255"):
        decode_mask(encode_png((GREY > 100).astype(np.uint8)), "m.png")
    assert not decode_mask(encode_png(np.zeros_like(GREY)), "m.png").any()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.PNG", True),
        ("b.jpeg", True),
        ("b.webp", True),
        ("b.tif", False),
        ("png", False),
        ("a/.b.png", False),
        (".ipynb_checkpoints/b.png", False),
        ("a/.cache/c/b.png", False),
        ("__MACOSX/a/._b.png", False),
        ("a/__MACOSX/b.png", False),
    ],
)
def test_pictures_are_known_by_their_names(name, expected):
    assert is_image(name) == expected
