# SPDX-License-Identifier: Apache-2.0
"""Sets as people have them: the form that PanoHead's tools come with, and a folder of everything at once."""

import io
import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera


def picture(number: int, height: int = 64, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A textured ball before a plain wall, not in the middle, and its soft mask."""
    rng = np.random.default_rng(number)
    ys, xs = np.mgrid[:height, :width] + 0.5
    side = min(height, width)
    centre_y, centre_x = height * rng.uniform(0.4, 0.6), width * rng.uniform(0.4, 0.6)
    distance = np.hypot((ys - centre_y) / rng.uniform(0.9, 1.2), xs - centre_x) - side * rng.uniform(0.25, 0.35)
    mask = np.clip(0.5 - distance / 1.5, 0, 1)
    wall, skin = rng.uniform(150, 250, 3), rng.uniform(20, 110, 3)
    stripes = 1 + 0.15 * np.sin(xs / side * 20 + number)
    pixels = mask[..., None] * skin * stripes[..., None] + (1 - mask[..., None]) * wall
    pixels += rng.normal(0, 2, pixels.shape)
    return np.rint(pixels.clip(0, 255)).astype(np.uint8), np.rint(255 * mask).astype(np.uint8)


def label(number: int) -> list[float]:
    """A sound camera somewhere around the head."""
    h_rad, v_rad = torch.tensor(0.7 * number), torch.tensor(math.pi / 2 - 0.15 * math.sin(number))
    return label_from_camera(camera_on_sphere(h_rad, v_rad)).float().tolist()


def encode(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def appendix_b(folder: Path, num: int = 2) -> tuple[Path, Path]:
    """JPEG pictures of 563 x 563 named by six digits, PNG masks, labels as texts of six decimals."""
    images, masks = folder / "imgs", folder / "segs"
    images.mkdir(parents=True)
    masks.mkdir()
    labels = []
    for number in range(num):
        pixels, mask = picture(number, 563, 563)
        (images / f"{number:06d}.jpg").write_bytes(encode(pixels, "JPEG", quality=95))
        (masks / f"{number:06d}.png").write_bytes(encode(mask))
        labels.append([f"{number:06d}.jpg", [f"{value:.6f}" for value in label(number)]])
    (images / "dataset.json").write_text(json.dumps({"labels": labels}))
    return images, masks


def write_set(folder: Path, num: int = 12, side: int = 64) -> tuple[Path, Path]:
    """A sound set in two folders."""
    images, masks = folder / "img", folder / "seg"
    for path in (images, masks):
        (path / "00000").mkdir(parents=True)
    names = [f"00000/img{number:08d}.png" for number in range(num)]
    for number, name in enumerate(names):
        pixels, mask = picture(number, side, side)
        (images / name).write_bytes(encode(pixels))
        (masks / name).write_bytes(encode(mask))
    write_labels(images, {name: label(number) for number, name in enumerate(names)})
    return images, masks


def write_labels(images: Path, labels: dict[str, object]) -> None:
    (images / "dataset.json").write_text(json.dumps({"labels": list(labels.items())}))


def mixed(folder: Path) -> tuple[Path, Path]:
    """Grey, RGBA, palette, 16 bits, rotated by EXIF, a WebP, a wide one, a tall one; all with masks and cameras."""
    images, masks = folder / "mixed", folder / "mixed_seg"
    images.mkdir(parents=True)
    masks.mkdir()
    kinds = {
        "a_rgb.png": (64, 64),
        "b_grey.png": (80, 80),
        "c_rgba.png": (64, 64),
        "d_palette.png": (64, 64),
        "e_16bit.png": (64, 64),
        "f_turned.jpg": (60, 90),
        "g.webp": (64, 64),
        "h_wide.png": (64, 100),
        "i_tall.png": (101, 64),
    }
    for number, (name, (height, width)) in enumerate(kinds.items()):
        pixels, mask = picture(number, height, width)
        (masks / (name.partition(".")[0] + ".png")).write_bytes(encode(mask))
        (images / name).write_bytes(_encoded_as(name, pixels, mask))
    write_labels(images, {name: label(number) for number, name in enumerate(kinds)})
    return images, masks


def _encoded_as(name: str, pixels: np.ndarray, mask: np.ndarray) -> bytes:
    if "grey" in name:
        return encode(pixels[:, :, 1])
    if "rgba" in name:
        return encode(np.dstack([pixels, mask]))
    if "palette" in name:
        file = io.BytesIO()
        Image.fromarray(pixels).quantize(64).save(file, "PNG")
        return file.getvalue()
    if "16bit" in name:
        return encode(pixels[:, :, 1].astype(np.uint16) * 257)
    if "turned" in name:
        # Stored lying on its side; orientation 6 says to turn it clockwise.
        exif = Image.Exif()
        exif[0x0112] = 6
        return encode(np.ascontiguousarray(np.rot90(pixels)), "JPEG", quality=95, exif=exif)
    return encode(pixels, "WEBP", lossless=True) if name.endswith("webp") else encode(pixels)
