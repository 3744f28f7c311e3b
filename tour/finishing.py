# SPDX-License-Identifier: Apache-2.0
"""Pictures that no command of a user makes: a mesh from several sides, and an inversion beside the truth."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dnnlib.atomic import atomic_write_bytes, atomic_write_text
from dnnlib.drawing import PAPER, RGBPicture, contact_sheet
from tour.mesh_views import drawn, read_glb
from training.cameras import camera_from_label, view_angles
from training.data.images import encode_png

_MESH_SIZE, _CELL = 220, 128


def shape_views(glb: Path, picture: Path) -> None:
    """The mesh of the file itself, not the model's pictures of it."""
    atomic_write_bytes(picture, encode_png(drawn(read_glb(glb), _MESH_SIZE), 6))


def inverted_views(images: Path, masks: Path, views: Path, picture: Path, numbers: Path) -> None:
    """Above the true views of a data set, below those of the inversion by the same cameras, by azimuth.

    Of both only the head, on paper: what is behind it is another in every picture of the set.
    """
    entries = json.loads((images / "dataset.json").read_text(encoding="utf-8"))["labels"]
    labels = torch.tensor([label for _, label in entries], dtype=torch.float64)
    azimuth_deg = view_angles(camera_from_label(labels)).azimuth_rad.rad2deg().tolist()
    true = [_on_paper(_read(images / name, "RGB"), _read(masks / name, "L")) for name, _ in entries]
    found = [_read(views / f"{number:06d}.png", "RGBA") for number in range(len(entries))]
    found = [_on_paper(pixels[..., :3], pixels[..., 3]) for pixels in found]
    psnr_db = [_psnr_db(a, b) for a, b in zip(true, found, strict=True)]
    order = sorted(range(len(entries)), key=azimuth_deg.__getitem__)
    angles = [f"{'given' if i == 0 else 'unseen'}, {azimuth_deg[i]:+.0f}°" for i in order]
    cells = [row[i] for row in (true, found) for i in order]
    sheet = contact_sheet(cells, len(order), [*angles, *(f"{psnr_db[i]:.1f} dB" for i in order)], _CELL)
    atomic_write_bytes(picture, encode_png(sheet, 6))
    content = {"given_db": round(psnr_db[0], 2), "unseen_db": [round(value, 2) for value in psnr_db[1:]]}
    atomic_write_text(numbers, json.dumps(content, indent=1) + "\n")


def _read(path: Path, mode: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert(mode))


def _on_paper(pixels: RGBPicture, mask: np.ndarray) -> RGBPicture:
    share = mask[..., None] / 255
    return np.rint(pixels * share + np.array(PAPER) * (1 - share)).astype(np.uint8)


def _psnr_db(a: RGBPicture, b: RGBPicture) -> float:
    error = np.square((a.astype(float) - b) / 255).mean()
    return float(10 * np.log10(1 / max(error, 1e-12)))
