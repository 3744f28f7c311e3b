# SPDX-License-Identifier: Apache-2.0
"""A .glb that this project wrote, drawn from several sides: as it is coloured, and as grey clay under a lamp."""

import io
import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles
from training.portraits.tiles import Picture
from training.shapes.raster import draw, project_points
from training.types import Camera

AZIMUTHS_DEG = (0, 60, 120, 180, -120, -60)
_SMOOTH = 2  # Drawn so many times as large, and averaged.
_CLAY = np.array([205.0, 200.0, 192.0])
_NUMBERS = {5126: "<f4", 5125: "<u4"}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}


class Triangles(NamedTuple):
    """All surfaces of a file as one."""

    vertices: np.ndarray  # [V, 3]
    normals: np.ndarray  # [V, 3]
    triangles: np.ndarray  # [T, 3]
    colours: np.ndarray  # [T, 3] in [0, 255], of the middle of each triangle.


def read_glb(path: Path) -> Triangles:
    """The surfaces of a file as dnnlib/shape_files/glb.py writes it."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document, binary = json.loads(data[20 : 20 + length]), data[20 + length + 8 :]
    texture = _texture(document, binary)
    vertices, normals, triangles, colours, count = [], [], [], [], 0
    for primitive in document["meshes"][0]["primitives"]:
        held = {name: _numbers(document, binary, index) for name, index in primitive["attributes"].items()}
        corners = _numbers(document, binary, primitive["indices"]).reshape(-1, 3)
        vertices.append(held["POSITION"])
        normals.append(held["NORMAL"])
        triangles.append(corners + count)
        count += len(held["POSITION"])
        colours.append(_colours(held, corners, texture))
    return Triangles(*map(np.concatenate, (vertices, normals, triangles, colours)))


def drawn(mesh: Triangles, size: int) -> Picture:
    """Two rows, coloured and clay, from all sides; RGBA."""
    seen = [_views(mesh, azimuth, size) for azimuth in AZIMUTHS_DEG]
    return np.concatenate([np.concatenate(row, axis=1) for row in zip(*seen, strict=True)])


def _views(mesh: Triangles, azimuth_deg: float, size: int) -> tuple[Picture, Picture]:
    camera = _camera(azimuth_deg)
    found = draw(project_points(camera, mesh.vertices.astype(np.float64)), mesh.triangles, size * _SMOOTH).triangle
    normals = mesh.normals[mesh.triangles].mean(axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-9)
    # A lamp above the viewer's left shoulder, and some light from everywhere.
    lamp = camera.R_world_cam.numpy() @ np.array([-0.45, -0.6, -0.66])
    light = 0.35 + 0.65 * (normals @ lamp).clip(0)
    coloured = mesh.colours, np.minimum(_CLAY * light[:, None] * 1.1, 255)
    return tuple(_averaged(values[found], found >= 0) for values in coloured)


def _camera(azimuth_deg: float) -> Camera:
    angles = torch.tensor([azimuth_deg, 6.0], dtype=torch.float64).deg2rad()
    return camera_on_sphere(*hv_from_angles(*angles))


def _averaged(picture: np.ndarray, is_there: np.ndarray) -> Picture:
    """Smaller, with alpha, so that it may lie on any paper."""
    side = len(picture) // _SMOOTH
    alpha = is_there[..., None].astype(np.float64)
    parts = np.concatenate([picture * alpha, alpha], axis=-1)
    mean = parts.reshape(side, _SMOOTH, side, _SMOOTH, 4).mean(axis=(1, 3))
    colours = mean[..., :3] / mean[..., 3:].clip(1e-9)
    return np.rint(np.concatenate([colours, 255 * mean[..., 3:]], axis=-1)).astype(np.uint8)


def _texture(document: dict[str, Any], binary: bytes) -> np.ndarray | None:
    if "images" not in document:
        return None
    with Image.open(io.BytesIO(_view(document, binary, document["images"][0]["bufferView"]))) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64)


def _colours(held: dict[str, np.ndarray], corners: np.ndarray, texture: np.ndarray | None) -> np.ndarray:
    if "TEXCOORD_0" in held and texture is not None:
        uv = held["TEXCOORD_0"][corners].mean(axis=1)
        x, y = (uv * texture.shape[1::-1]).astype(np.int64).clip(0, np.array(texture.shape[1::-1]) - 1).T
        return texture[y, x]
    linear = held["COLOR_0"][corners].mean(axis=1).clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _numbers(document: dict[str, Any], binary: bytes, index: int) -> np.ndarray:
    accessor = document["accessors"][index]
    values = np.frombuffer(_view(document, binary, accessor["bufferView"]), _NUMBERS[accessor["componentType"]])
    width = _WIDTH[accessor["type"]]
    return values.reshape(-1, width) if width > 1 else values.astype(np.int64)


def _view(document: dict[str, Any], binary: bytes, index: int) -> bytes:
    view = document["bufferViews"][index]
    return binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
