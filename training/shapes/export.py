# SPDX-License-Identifier: Apache-2.0
"""The shape of a head as a file; the format follows from the ending of its name.

    .mrc        raw densities of the whole box, for ChimeraX
    .ply .obj   the surface with normals and colours at its vertices
    .glb        the surface with a texture, for browsers and Blender

All are in world units, +y up, the face towards +z.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dnnlib.atomic import atomic_write
from dnnlib.progress import progress
from dnnlib.shape_files.glb import write_glb
from dnnlib.shape_files.mesh import Mesh
from dnnlib.shape_files.mrc import write_mrc
from dnnlib.shape_files.obj import write_obj
from dnnlib.shape_files.ply import write_ply
from training.generator import Generator
from training.portraits.sitter import Sitter
from training.shapes.densities import Densities
from training.shapes.follow import follow
from training.shapes.grid import Grid, check_resolution
from training.shapes.level import NoSurfaceError, choose_level
from training.shapes.looks import Look, blend, take_looks
from training.shapes.parts import largest_part
from training.shapes.spread import spread
from training.shapes.surface import surface
from training.shapes.texture import textured

SHAPE_FORMATS = ("mrc", "ply", "obj", "glb")

DEFAULT_RESOLUTION = 512
_NOTHING_THERE = -1000.0  # In a volume; what published tools write around the head.
_ABOUT = "World units: +y up, the face towards +z, heads about 0.4 high."


@dataclasses.dataclass(frozen=True)
class ShapeReport:
    """What became of a shape."""

    path: Path
    resolution: int
    level: float | None  # Raw density of the surface; None for a volume of which no picture shows one.
    num_asked: int  # Points that the field was asked for until this file was written, pictures aside.
    num_vertices: int  # 0 for a volume.
    num_triangles: int
    num_parts: int  # Connected surfaces that were found; the largest is in the file.

    @property
    def share_asked(self) -> float:
        """Of the points of the whole grid."""
        return self.num_asked / self.resolution**3


def shape_format(path: str | Path) -> str:
    """The format that the ending of a name means. Refuses what no shape is written as."""
    ending = Path(path).suffix[1:].lower()
    if ending not in SHAPE_FORMATS:
        raise ValueError(f"{path}: shapes are written as {', '.join(SHAPE_FORMATS)}, not as {ending or 'no format'}.")
    return ending


def export_shape(
    G: Generator,
    sitter: Sitter,
    path: str | Path,
    *,
    resolution: int = DEFAULT_RESOLUTION,
    level: float | None = None,  # Raw density; None: where pictures show the surface.
) -> ShapeReport:
    """Writes the shape of a head."""
    return export_shapes(G, sitter, [path], resolution=resolution, level=level)[0]


def export_shapes(
    G: Generator,
    sitter: Sitter,
    paths: Sequence[str | Path],
    *,
    resolution: int = DEFAULT_RESOLUTION,
    level: float | None = None,
) -> list[ShapeReport]:
    """Writes the shape of a head to several files. Level, surface and colours are found once for all."""
    kinds = [shape_format(path) for path in paths]
    grid = Grid(check_resolution(resolution), G.field.box_size)
    for path in paths:
        if not Path(path).parent.is_dir():
            raise ValueError(f"{path}: there is no folder {Path(path).parent}; make it, or choose another.")
    if level is not None and not np.isfinite(level):
        raise ValueError(f"A level is a raw density, a number, not {level}.")
    ask = Densities(G.field, sitter.planes)
    if level is None:
        try:
            level = choose_level(G, sitter, ask)
        except NoSurfaceError:
            if any(kind != "mrc" for kind in kinds):
                raise
    reports = []
    mesh, looks, num_parts = None, [], 0
    for path, kind in zip(map(Path, paths), kinds, strict=True):
        if kind == "mrc":
            _write_volume(ask, grid, level, path)
            reports.append(ShapeReport(path, resolution, level, ask.num_asked, 0, 0, 0))
            continue
        if mesh is None:
            with progress(None, "surface", unit="point") as ask.bar:
                mesh, num_parts = head_mesh(ask, grid, level)
            ask.bar = None
            looks = take_looks(G, sitter, mesh)
            mesh = painted(mesh, looks, grid.voxel_size)
        _write_mesh(mesh, looks, path, kind)
        sizes = len(mesh.vertices), len(mesh.triangles)
        reports.append(ShapeReport(path, resolution, level, ask.num_asked, *sizes, num_parts))
    return reports


def head_mesh(ask: Densities, grid: Grid, level: float) -> tuple[Mesh, int]:
    """The largest closed surface at a level, without colours, and how many there are."""
    crossed = follow(ask, grid, level)
    if len(crossed.cells) == 0:
        raise ValueError(
            f"No density of this head is above the level {level:g}, so there is no surface. Choose a lower level, or "
            "none: then it follows from the pictures."
        )
    if crossed.is_only_wall():
        raise ValueError(
            f"Every density of this head is above the level {level:g}: the surface would be that of the whole box. "
            "Choose a higher level, or none: then it follows from the pictures."
        )
    return largest_part(surface(crossed))


def painted(mesh: Mesh, looks: list[Look], spacing: float) -> Mesh:
    """The mesh with colours at its vertices; those that no look sees take their neighbours'."""
    colours, is_known = blend(looks, mesh.vertices, mesh.normals)
    colours = spread(mesh.vertices, colours, is_known, spacing)
    return dataclasses.replace(mesh, colours=np.rint(colours).clip(0, 255).astype(np.uint8))


def _write_mesh(mesh: Mesh, looks: list[Look], path: Path, kind: str) -> None:
    with atomic_write(path) as file:
        if kind == "ply":
            write_ply(file, mesh, _ABOUT)
        elif kind == "obj":
            write_obj(file, mesh, _ABOUT)
        else:
            surfaces, texture = textured(mesh, looks)
            write_glb(file, surfaces, texture, comment=_ABOUT)


def _write_volume(ask: Densities, grid: Grid, level: float | None, path: Path) -> None:
    R = grid.resolution
    first = grid.positions(np.ones(3))
    with atomic_write(path) as file:
        where = "no picture shows a surface" if level is None else f"the surface is at {level:.4g}"
        label = f"FullHead raw density; {where}"
        write_mrc(file, _sections(ask, grid), (R, R, R), grid.voxel_size, tuple(first), label)


def _sections(ask: Densities, grid: Grid) -> Iterator[np.ndarray]:
    """Densities at each z, [y, x]."""
    samples = np.arange(1, grid.resolution + 1)
    for z in progress(samples, "volume", unit="slice"):
        y, x = np.meshgrid(samples, samples, indexing="ij")
        values = ask(grid.positions(np.stack([x, y, np.full_like(x, z)], axis=-1).reshape(-1, 3)))
        yield np.where(np.isfinite(values), values, _NOTHING_THERE).reshape(y.shape)
