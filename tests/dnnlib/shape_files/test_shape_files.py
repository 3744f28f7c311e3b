# SPDX-License-Identifier: Apache-2.0
import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from dnnlib.shape_files.glb import Surface, write_glb
from dnnlib.shape_files.mesh import Mesh
from dnnlib.shape_files.mrc import write_mrc
from dnnlib.shape_files.obj import write_obj
from dnnlib.shape_files.ply import write_ply

# A tetrahedron with corners at the origin and the unit vectors.
VERTICES = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
TRIANGLES = np.array([[0, 2, 1], [0, 3, 2], [0, 1, 3], [1, 2, 3]])
NORMALS = (VERTICES - 0.25) / np.linalg.norm(VERTICES - 0.25, axis=1, keepdims=True)
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 0], [0, 0, 64]], dtype=np.uint8)
MESH = Mesh(VERTICES, TRIANGLES, NORMALS, COLOURS)


def chunks_of(data: bytes) -> tuple[dict, bytes]:
    magic, version, length = struct.unpack("<4sII", data[:12])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    json_length, kind = struct.unpack("<I4s", data[12:20])
    assert kind == b"JSON"
    binary_length, kind = struct.unpack("<I4s", data[20 + json_length : 28 + json_length])
    assert kind == b"BIN\0"
    assert json_length % 4 == binary_length % 4 == 0
    return json.loads(data[20 : 20 + json_length]), data[28 + json_length :]


def values_of(document: dict, binary: bytes, number: int) -> np.ndarray:
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    assert view["byteOffset"] % 4 == 0
    data = binary[view["byteOffset"] :][: view["byteLength"]]
    values = np.frombuffer(data, dtype={5126: "<f4", 5125: "<u4"}[accessor["componentType"]])
    values = values.reshape(-1, {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[accessor["type"]])
    assert len(values) == accessor["count"]
    return values


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (10, 20, 30)).save(file, "JPEG")
    return file.getvalue()


def test_volume_of_a_mesh_and_its_parts():
    assert MESH.volume() == pytest.approx(1 / 6)
    part = MESH.part(np.array([3]))
    np.testing.assert_array_equal(part.vertices, VERTICES[1:])
    np.testing.assert_array_equal(part.colours, COLOURS[1:])
    np.testing.assert_array_equal(part.triangles, [[0, 1, 2]])


@pytest.mark.parametrize(("kind", "write"), [("ply", write_ply), ("obj", write_obj)])
@pytest.mark.parametrize("is_coloured", [True, False])
def test_meshes_are_read_back_by_another_program(kind, write, is_coloured):
    trimesh = pytest.importorskip("trimesh")
    file = io.BytesIO()
    write(file, MESH if is_coloured else Mesh(VERTICES, TRIANGLES, NORMALS), "about")
    body = trimesh.load(io.BytesIO(file.getvalue()), file_type=kind, process=False)
    np.testing.assert_allclose(body.vertices, VERTICES)
    np.testing.assert_array_equal(body.faces, TRIANGLES)
    np.testing.assert_allclose(body.vertex_normals, NORMALS, atol=1e-4)
    if is_coloured:
        np.testing.assert_array_equal(np.asarray(body.visual.vertex_colors)[:, :3], COLOURS)


def test_obj_is_written_the_same_in_one_part_and_in_many(monkeypatch):
    whole, parts = io.BytesIO(), io.BytesIO()
    write_obj(whole, MESH)
    monkeypatch.setattr("dnnlib.shape_files.obj._ROWS", 3)
    write_obj(parts, MESH)
    assert whole.getvalue() == parts.getvalue()
    assert whole.getvalue().decode().splitlines()[-1] == "f 2//2 3//3 4//4"


def test_glb_has_a_textured_and_a_coloured_surface_without_light():
    uv = np.array([[0.0, 0], [1, 0], [0, 1], [0.5, 0.25]])
    textured = Surface(VERTICES, NORMALS, TRIANGLES[:3], uv=uv)
    file = io.BytesIO()
    write_glb(file, [textured, Surface(VERTICES, NORMALS, TRIANGLES[3:], colours=COLOURS)], picture())
    document, binary = chunks_of(file.getvalue())
    first, second = document["meshes"][0]["primitives"]
    np.testing.assert_allclose(values_of(document, binary, first["attributes"]["POSITION"]), VERTICES)
    np.testing.assert_allclose(values_of(document, binary, first["attributes"]["TEXCOORD_0"]), uv)
    np.testing.assert_array_equal(values_of(document, binary, first["indices"]).ravel(), TRIANGLES[:3].ravel())
    colours = values_of(document, binary, second["attributes"]["COLOR_0"])
    np.testing.assert_allclose(colours[1:3], [[1, 0, 0], [0, 0.21586, 0]], atol=1e-5)  # 128 in linear light.
    materials = document["materials"]
    assert all("KHR_materials_unlit" in material["extensions"] for material in materials)
    assert "baseColorTexture" in materials[first["material"]]["pbrMetallicRoughness"]
    assert "baseColorTexture" not in materials[second["material"]]["pbrMetallicRoughness"]
    view = document["bufferViews"][document["images"][0]["bufferView"]]
    assert Image.open(io.BytesIO(binary[view["byteOffset"] :][: view["byteLength"]])).size == (4, 4)
    limits = document["accessors"][first["attributes"]["POSITION"]]
    assert (limits["min"], limits["max"]) == ([0, 0, 0], [1, 1, 1])


def test_glb_leaves_out_a_surface_without_triangles():
    file = io.BytesIO()
    nothing = Surface(VERTICES[:0], NORMALS[:0], TRIANGLES[:0], uv=np.empty((0, 2)))
    write_glb(file, [nothing, Surface(VERTICES, NORMALS, TRIANGLES, colours=COLOURS)], picture())
    document, _ = chunks_of(file.getvalue())
    assert len(document["meshes"][0]["primitives"]) == 1
    assert "images" not in document


def test_every_word_of_an_mrc_header():
    volume = np.arange(24, dtype=np.float32).reshape(4, 3, 2)  # z, y, x
    file = io.BytesIO()
    write_mrc(file, iter(volume), (2, 3, 4), 0.5, (-1.0, -2.0, -3.0), "head")
    data = file.getvalue()
    assert len(data) == 1024 + 4 * 24
    assert struct.unpack("<10i", data[:40]) == (2, 3, 4, 2, 0, 0, 0, 2, 3, 4)
    assert struct.unpack("<6f", data[40:64]) == (1, 1.5, 2, 90, 90, 90)
    assert struct.unpack("<3i", data[64:76]) == (1, 2, 3)
    assert struct.unpack("<3f", data[76:88]) == (0, 23, 11.5)
    assert struct.unpack("<2i", data[88:96]) == (1, 0)
    assert struct.unpack("<i", data[108:112]) == (20140,)
    assert struct.unpack("<3f", data[196:208]) == (-1, -2, -3)
    assert data[208:216] == b"MAP \x44\x44\x00\x00"
    assert struct.unpack("<f", data[216:220])[0] == pytest.approx(volume.std())
    assert struct.unpack("<i", data[220:224]) == (1,)
    assert data[224:304].rstrip() == b"head"
    np.testing.assert_array_equal(np.frombuffer(data[1024:], "<f4").reshape(4, 3, 2), volume)
