# SPDX-License-Identifier: Apache-2.0
import struct

import numpy as np
import pytest
import torch

from tests.training.shapes.meshes import euler_number, is_closed_manifold
from tests.training.shapes.scenes import SURFACE, head_scene, position_colour, scene
from training.shapes.densities import Densities
from training.shapes.export import SHAPE_FORMATS, export_shape, export_shapes, head_mesh, shape_format
from training.shapes.grid import Grid
from training.shapes.looks import take_looks


def egg(points):
    """A ball that is longer towards the top, dense inside, with a hollow and a lonely small ball; raw densities."""
    x, y, z = points.unbind(-1)
    body = 0.2 - torch.stack([x, y * (0.8 - 0.6 * y), z]).norm(dim=0)
    hollow = torch.minimum(body, points.norm(dim=1) - 0.05)
    lonely = 0.05 - (points - torch.tensor([0.25, -0.25, 0.0])).norm(dim=1)
    return 10 + 2000 * torch.maximum(hollow, lonely)


def colour_error(vertices, colours):
    return np.abs(colours / 255 - (vertices + 0.5)).max(axis=1)


def test_a_mesh_in_a_file_is_closed_in_world_units_and_coloured(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    G, sitter = scene(egg, size=32)
    report = export_shape(G, sitter, tmp_path / "egg.ply", resolution=64)
    body = trimesh.load(tmp_path / "egg.ply", process=False)
    vertices = np.asarray(body.vertices)
    assert body.is_watertight
    assert body.euler_number == 2
    assert body.volume > 0
    assert (len(body.vertices), len(body.faces)) == (report.num_vertices, report.num_triangles)
    assert report.num_parts == 3
    assert np.abs(egg(torch.from_numpy(vertices)).numpy() - report.level).max() < 2000 * 0.1 / 64
    error = colour_error(vertices, np.asarray(body.visual.vertex_colors)[:, :3])
    assert np.median(error) < 0.03
    assert np.quantile(error, 0.99) < 0.08


def test_a_glb_has_the_colours_of_the_model_in_its_texture_and_faces_the_viewer(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    G, sitter = scene(egg, size=32)
    report = export_shape(G, sitter, tmp_path / "egg.glb", resolution=64)
    textured, plain = trimesh.load(tmp_path / "egg.glb", process=False).geometry.values()
    picture = np.asarray(textured.visual.material.baseColorTexture.convert("RGB"))
    assert picture.shape == (128, 128, 3)
    # Trimesh turns v around; pixels are looked up without interpolation.
    u, v = textured.visual.uv[:, 0], 1 - textured.visual.uv[:, 1]
    colours = picture[(v * 128).astype(int).clip(0, 127), (u * 128).astype(int).clip(0, 127)]
    assert np.quantile(colour_error(textured.vertices, colours), 0.95) < 0.06
    assert len(plain.faces) < 0.1 * len(textured.faces)
    assert len(textured.faces) + len(plain.faces) == report.num_triangles


def test_a_volume_has_its_samples_at_their_places(tmp_path):
    G, sitter = scene(egg, crop=0.4, box_size=1.2)
    report = export_shape(G, sitter, tmp_path / "egg.mrc", resolution=20)
    data = (tmp_path / "egg.mrc").read_bytes()
    assert len(data) == 1024 + 4 * 20**3
    assert struct.unpack("<4i", data[:16]) == (20, 20, 20, 2)
    x0, y0, z0 = struct.unpack("<3f", data[196:208])
    voxel = struct.unpack("<3f", data[40:52])[0] / struct.unpack("<i", data[28:32])[0]
    assert voxel == pytest.approx(0.06)
    volume = np.frombuffer(data[1024:], dtype="<f4").reshape(20, 20, 20)
    for z, y, x in [(9, 10, 11), (12, 17, 4), (7, 0, 15)]:
        place = torch.tensor([[x0 + x * voxel, y0 + y * voxel, z0 + z * voxel]])
        assert volume[z, y, x] == pytest.approx(float(egg(place)), rel=1e-4)
    assert (volume[:, :, :3] == -1000).all()  # Cropped.
    assert (volume[8:12, 0, 8:12] > -1000).all()  # The bottom is not.
    assert f"{report.level:.4g}" in data[224:304].decode()


@pytest.mark.parametrize("number", [0, 2])
def test_vertices_of_a_procedural_head_lie_on_its_surface(number):
    G, sitter, head = head_scene(number, steepness=1000.0, colour=position_colour)
    mesh, _ = head_mesh(Densities(G.field, sitter.planes), Grid(64, 1.0), SURFACE)
    assert is_closed_manifold(mesh)
    error = head.distance(torch.from_numpy(mesh.vertices).float()).abs().numpy() * 64
    error = error[np.abs(mesh.vertices).max(1) < 0.5 - 1 / 64]  # The bust is cut off at the wall.
    assert np.median(error) < 0.02
    assert np.quantile(error, 0.99) < 0.25
    assert euler_number(mesh) <= 2  # Arms and glasses make handles.


def test_refusals_before_any_work(tmp_path):
    G, sitter = scene(lambda p: pytest.fail("asked"))
    for path, options, match in [
        ("a.stl", {}, "mrc, ply, obj, glb"),
        ("a", {}, "no format"),
        ("a.ply", {"resolution": 8}, "16 to 1024"),
        ("a.ply", {"resolution": 2048}, "16 to 1024"),
        ("no/a.ply", {}, "no folder"),
        ("a.ply", {"level": float("nan")}, "number"),
    ]:
        with pytest.raises(ValueError, match=match):
            export_shape(G, sitter, tmp_path / path, **options)
    assert [shape_format(f"X.{kind.upper()}") for kind in SHAPE_FORMATS] == list(SHAPE_FORMATS)


@pytest.mark.parametrize(
    ("density", "level", "match"),
    [
        (egg, 1e6, "lower level"),
        (egg, -1e6, "higher level"),
        (lambda p: p[:, 0] * torch.nan, 1.0, "not finite"),
        (lambda p: p[:, 0] * 0 - 50, None, "no surface"),
        (lambda p: p[:, 0] * 0 + 50, None, "higher level|lower level"),
    ],
)
def test_fields_without_a_surface_are_told_and_leave_no_file(tmp_path, density, level, match):
    G, sitter = scene(density)
    with pytest.raises(ValueError, match=match):
        export_shape(G, sitter, tmp_path / "a.ply", resolution=20, level=level)
    assert not list(tmp_path.iterdir())


def test_colours_are_not_those_of_the_wall_behind(tmp_path):
    """A dark head (0.2) before white: nothing is light, also where pictures see it at a slant."""
    trimesh = pytest.importorskip("trimesh")
    G, sitter = scene(egg, lambda p: 0.2 + 0 * p, size=32)
    export_shape(G, sitter, tmp_path / "a.ply", resolution=64)
    colours = np.asarray(trimesh.load(tmp_path / "a.ply", process=False).visual.vertex_colors)[:, :3]
    assert colours.max() < 0.4 * 255


def test_several_files_of_a_head_are_those_that_are_made_apart(tmp_path, monkeypatch):
    G, sitter = scene(egg, size=16)
    names = [f"egg.{kind}" for kind in SHAPE_FORMATS]
    for folder in ("together", "apart"):
        (tmp_path / folder).mkdir()
    looked = []
    monkeypatch.setattr("training.shapes.export.take_looks", lambda *args: looked.append(1) or take_looks(*args))
    reports = export_shapes(G, sitter, [tmp_path / "together" / name for name in names], resolution=20)
    assert looked == [1]
    for name in names:
        export_shape(G, sitter, tmp_path / "apart" / name, resolution=20)
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "apart" / name).read_bytes()
    assert [report.path.name for report in reports] == names
    assert len({report.level for report in reports}) == 1


def test_a_head_that_nobody_sees_has_a_volume_but_no_surface(tmp_path):
    G, sitter = scene(lambda points: -50 - points.norm(dim=1))
    report = export_shape(G, sitter, tmp_path / "fog.mrc", resolution=16)
    assert report.level is None
    assert b"no picture shows a surface" in (tmp_path / "fog.mrc").read_bytes()[:1024]
    with pytest.raises(ValueError, match="is the model trained"):
        export_shapes(G, sitter, [tmp_path / "fog2.mrc", tmp_path / "fog2.ply"], resolution=16)
