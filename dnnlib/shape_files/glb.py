# SPDX-License-Identifier: Apache-2.0
"""Meshes as .glb (binary glTF 2.0) whose colours are shown as they are, without light (KHR_materials_unlit).

glTF is right-handed with +y up, and a model faces +z. A surface is textured, or it has a colour at each vertex. In
(u, v) of a texture, v runs down from the top of the picture.
"""

import dataclasses
import json
import struct
from typing import Any, BinaryIO

import numpy as np

_FLOAT, _UINT32 = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP = 9729, 9987, 33071


@dataclasses.dataclass(frozen=True, eq=False)
class Surface:
    """Triangles with either `uv` or `colours`."""

    vertices: np.ndarray  # [V, 3]
    normals: np.ndarray  # [V, 3]
    triangles: np.ndarray  # [T, 3]
    uv: np.ndarray | None = None  # [V, 2]
    colours: np.ndarray | None = None  # [V, 3] uint8, sRGB


def write_glb(
    file: BinaryIO, surfaces: list[Surface], texture: bytes | None = None, name: str = "head", comment: str = ""
) -> None:
    """Writes one object of these surfaces. The texture is a JPEG file."""
    binary = _Binary()
    primitives = [binary.surface(surface) for surface in surfaces if len(surface.triangles)]
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "FullHead", **({"extras": {"comment": comment}} if comment else {})},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": name}],
        "meshes": [{"name": name, "primitives": primitives}],
        "materials": [],
    }
    kinds = [("baseColorTexture" if surface.uv is not None else "") for surface in surfaces if len(surface.triangles)]
    for primitive, kind in zip(primitives, kinds, strict=True):
        primitive["material"] = len(document["materials"])
        document["materials"].append(_unlit({kind: {"index": 0}} if kind else {}))
    if any(kinds):
        assert texture is not None, "a surface with uv needs a texture"
        view = binary.view(texture)
        document["images"] = [{"bufferView": view, "mimeType": "image/jpeg"}]
        document["textures"] = [{"source": 0, "sampler": 0}]
        document["samplers"] = [
            {"magFilter": _LINEAR, "minFilter": _LINEAR_MIPMAP_LINEAR, "wrapS": _CLAMP, "wrapT": _CLAMP}
        ]
    document["bufferViews"], document["accessors"] = binary.views, binary.accessors
    document["buffers"] = [{"byteLength": len(binary.data)}]
    _write_chunks(file, json.dumps(document, separators=(",", ":")).encode(), bytes(binary.data))


def _unlit(base: dict[str, Any]) -> dict[str, Any]:
    # What a viewer without the extension falls back to: no metal, no shine.
    plain = {**base, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    return {"pbrMetallicRoughness": plain, "extensions": {"KHR_materials_unlit": {}}}


class _Binary:
    """The binary chunk, and what the document says of its parts."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, int]] = []
        self.accessors: list[dict[str, Any]] = []

    def surface(self, surface: Surface) -> dict[str, Any]:
        attributes = {
            "POSITION": self._accessor(surface.vertices, "VEC3", has_limits=True),
            "NORMAL": self._accessor(surface.normals, "VEC3"),
        }
        if surface.uv is not None:
            attributes["TEXCOORD_0"] = self._accessor(surface.uv, "VEC2")
        if surface.colours is not None:
            attributes["COLOR_0"] = self._accessor(_linear(surface.colours), "VEC3")
        return {"attributes": attributes, "indices": self._indices(surface.triangles), "mode": 4}

    def view(self, data: bytes, target: int | None = None) -> int:
        self.data += bytes(-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.views.append(view if target is None else {**view, "target": target})
        self.data += data
        return len(self.views) - 1

    def _accessor(self, values: np.ndarray, kind: str, has_limits: bool = False) -> int:
        values = np.ascontiguousarray(values, dtype="<f4")
        accessor = {"bufferView": self.view(values.tobytes(), _VERTICES), "componentType": _FLOAT}
        accessor |= {"count": len(values), "type": kind}
        if has_limits:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def _indices(self, triangles: np.ndarray) -> int:
        view = self.view(np.ascontiguousarray(triangles, dtype="<u4").tobytes(), _INDICES)
        self.accessors.append({"bufferView": view, "componentType": _UINT32, "count": triangles.size, "type": "SCALAR"})
        return len(self.accessors) - 1


def _linear(srgb: np.ndarray) -> np.ndarray:
    """Colours of vertices are linear in glTF; those of textures are sRGB."""
    c = srgb / 255.0
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _write_chunks(file: BinaryIO, document: bytes, binary: bytes) -> None:
    document += b" " * (-len(document) % 4)
    binary += bytes(-len(binary) % 4)
    file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(document) + 8 + len(binary)))
    for kind, chunk in ((b"JSON", document), (b"BIN\0", binary)):
        file.write(struct.pack("<I4s", len(chunk), kind))
        file.write(chunk)
