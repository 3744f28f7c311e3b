# SPDX-License-Identifier: Apache-2.0
"""Distance fields of solids that are built from simple shapes, evaluated at points.

Vocabulary: a solid is a table, one instruction a row, carried out in order. It works on *layers*: numbers at each point
that begin far away. A row is of a `Kind`; a shape, or the value of another layer, is an *operand*, which is joined to
its layer in one of the ways of `Join`, with a *blend*: the join is a smooth one where both values differ by less than
the blend and the sharp minimum or maximum elsewhere, exactly. The other kinds change the layer by itself. The solid's
distance is the least of its visible layers, negative inside.

Which shapes are exact: all but the ellipsoid, whose value is exact on the surface to first order, never more than the
distance outside, and changes by at most `slope` times the way between two points. Joins and waves leave lower bounds
only where the operands are; who follows rays should shorten steps a little and notice a change of sign.
training/data/synthetic/solid.py writes tables with names instead of numbers.
"""

from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

from torch_utils.ops import native

FAR = 1e3  # what a layer is before anything joins it; finite, so that differences are


class Kind(IntEnum):
    """What a row does; csrc/cpu/distance_field.cpp has the same order. Parameters are in the functions below."""

    LAYER = 0  # begins the next layer; parameter: whether it is visible
    ELLIPSOID = 1
    ROUND_CONE = 2
    BOX = 3
    TORUS_ARC = 4
    DISC = 5
    HALF_SPACE = 6
    VALUE = 7  # of another layer, as an operand; parameters: the layer, a thickness that is added
    INFLATE = 8  # grows the layer; parameter: by how much
    SHELL = 9  # leaves a layer only below its surface; parameter: how thick
    WAVES = 10


class Join(IntEnum):
    """How an operand joins its layer."""

    ADD = 0  # union
    CUT = 1  # the layer without the operand
    KEEP = 2  # intersection


class Row(NamedTuple):
    """One instruction, in the order of the columns. Shapes stand at `centre`, turned by R_world_shape (row by row)."""

    kind: int
    layer: int
    join: int = Join.ADD
    blend: float = 0.0
    mirrored: float = 0.0  # 1: evaluated at (|x|, y, z), so that there are two of it
    slope: float = 1.0  # largest change of the value over the way; pruning relies on it
    centre: tuple[float, ...] = (0.0, 0.0, 0.0)
    rotation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    parameters: tuple[float, ...] = ()

    def numbers(self) -> list[float]:
        """The row as the table holds it."""
        unused = [0.0] * (NUM_PARAMETERS - len(self.parameters))
        return [*map(float, self[:6]), *self.centre, *self.rotation, *self.parameters, *unused]

    @classmethod
    def from_numbers(cls, numbers: list[float]) -> "Row":
        """The inverse of `numbers`."""
        kind, layer, join = (int(x) for x in numbers[:3])
        return cls(kind, layer, join, *numbers[3:6], *(tuple(numbers[i:j]) for i, j in ((6, 9), (9, 18), (18, None))))


NUM_PARAMETERS = 7
NUM_COLUMNS = 18 + NUM_PARAMETERS


def distance(
    points: Tensor,  # [P, 3], float32; float64 is always served by the reference
    table: Tensor,  # [rows, NUM_COLUMNS], of the same type
) -> tuple[Tensor, Tensor]:  # distance [P], layer [P]: int32, the visible layer that is nearest
    """Signed distance of the solid at points, and which layer it is; of equal ones the first.

    The reference has gradients, the native kernel has none. Points that are neighbours in the list should be neighbours
    in space: work is left out a block at a time.
    """
    _check(points, table)
    # Meta tensors have shapes but no rows that the reference could read.
    if points.device.type != "meta" and (points.dtype != torch.float32 or not native.serves("distance_field", points)):
        return reference(points, table)
    return torch.ops.fullhead.distance_field(points, table)


def reference(points: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, in plain PyTorch."""
    layers, is_visible = _run(points, table)
    least, layer = torch.full_like(points[:, 0], torch.inf), points.new_zeros(len(points), dtype=torch.int32)
    for i, value in enumerate(layers):
        if is_visible[i]:
            layer = torch.where(value < least, i, layer)
            least = torch.minimum(value, least)
    return least, layer


def layer_distances(points: Tensor, table: Tensor) -> Tensor:  # [P, layers]
    """The value of every layer, hidden ones too. Always in plain PyTorch, with gradients."""
    return torch.stack(_run(points, table)[0], dim=-1)


def _check(points: Tensor, table: Tensor) -> None:
    if points.ndim != 2 or points.shape[1] != 3 or table.ndim != 2 or table.shape[1] != NUM_COLUMNS:
        raise ValueError(
            f"distance_field: shapes must be points [P, 3] and table [rows, {NUM_COLUMNS}], got {list(points.shape)} "
            f"and {list(table.shape)}."
        )
    if points.dtype not in (torch.float32, torch.float64) or table.dtype != points.dtype:
        raise ValueError(
            f"distance_field: points and table must both be float32 or both be float64, got {points.dtype} and "
            f"{table.dtype}; convert them."
        )


# --- Rows -------------------------------------------------------------------------------------------------------------


def _run(points: Tensor, table: Tensor) -> tuple[list[Tensor], list[bool]]:
    """The values of the layers after the last row, and which of them are visible."""
    layers: list[Tensor] = []
    is_visible: list[bool] = []
    for number, numbers in enumerate(table.tolist()):
        if not _is_row(numbers, len(layers)):
            raise ValueError(f"distance_field: row {number} of the table is none.")
        row = Row.from_numbers(numbers)
        i, p = row.layer, row.parameters
        if row.kind == Kind.LAYER:
            layers.append(torch.full_like(points[:, 0], FAR))
            is_visible.append(bool(p[0]))
        elif row.kind == Kind.INFLATE:
            layers[i] = layers[i] - p[0]
        elif row.kind == Kind.SHELL:
            layers[i] = (layers[i] + p[0] / 2).abs() - p[0] / 2
        elif row.kind == Kind.WAVES:
            layers[i] = layers[i] + _waves(*_to_shape(points, row), p)
        elif row.kind == Kind.VALUE:
            layers[i] = _join(layers[i], layers[int(p[0])] - p[1], row)
        else:
            layers[i] = _join(layers[i], _SHAPES[row.kind](*_to_shape(points, row), p), row)
    return layers, is_visible


def _is_row(numbers: list[float], num_layers: int) -> bool:
    """Whether a row names a kind, a join and layers that there are; the kernel asks the same."""
    kind, layer, join, source = *numbers[:3], numbers[18]
    if not (0 <= kind < len(Kind) and 0 <= join < len(Join) and 0 <= layer <= num_layers):
        return False
    if int(kind) == Kind.LAYER:
        return int(layer) == num_layers
    return layer < num_layers and (int(kind) != Kind.VALUE or 0 <= source < num_layers)


def _to_shape(points: Tensor, row: Row) -> list[Tensor]:
    """x, y, z in the frame of the shape."""
    x, y, z = points.unbind(-1)
    x = x.abs() if row.mirrored else x
    x, y, z = x - row.centre[0], y - row.centre[1], z - row.centre[2]
    R = row.rotation
    return [x * R[axis] + y * R[3 + axis] + z * R[6 + axis] for axis in range(3)]


def _join(a: Tensor, b: Tensor, row: Row) -> Tensor:
    if row.join == Join.ADD:
        return _smooth_min(a, b, row.blend)
    return -_smooth_min(-a, b if row.join == Join.CUT else -b, row.blend)


def _smooth_min(a: Tensor, b: Tensor, blend: float) -> Tensor:
    """Minimum whose corner is rounded by a parabola where |a - b| < blend."""
    if blend == 0:
        return torch.minimum(a, b)
    overlap = (blend - (a - b).abs()).clamp(min=0)
    return torch.minimum(a, b) - overlap * overlap * (0.25 / blend)


# --- Shapes, each in its own frame ------------------------------------------------------------------------------------


def _ellipsoid(x: Tensor, y: Tensor, z: Tensor, p: tuple[float, ...]) -> Tensor:
    """Parameters: three radii. (|x/r| - 1) over its own slope, for which the least radius stands in at the centre."""
    u, v, w = x / p[0], y / p[1], z / p[2]
    k0 = _length(u, v, w)
    k1 = _length(u / p[0], v / p[1], w / p[2])
    share = k0.clamp(max=1)
    scale = share * (k0 / k1.clamp(min=1e-9)) + (1 - share) * min(p[:3])
    return (k0 - 1) * scale


def _round_cone(x: Tensor, y: Tensor, z: Tensor, p: tuple[float, ...]) -> Tensor:
    """Around the y axis from 0 to h. Parameters: h, radius at 0, radius at h, sine and cosine of the flank."""
    height, radius_a, radius_b, sine, cosine = p[:5]
    r = _length(x, z)
    along = y * cosine - r * sine
    flank = r * cosine + y * sine - radius_a
    upper = torch.where(along > height * cosine, _length(r, y - height) - radius_b, flank)
    return torch.where(along < 0, _length(r, y) - radius_a, upper)


def _box(x: Tensor, y: Tensor, z: Tensor, p: tuple[float, ...]) -> Tensor:
    """Parameters: half sizes, radius of the edges."""
    x, y, z = (a.abs() - (half - p[3]) for a, half in zip((x, y, z), p[:3], strict=True))
    outside = _length(x.clamp(min=0), y.clamp(min=0), z.clamp(min=0))
    return outside + torch.maximum(x, torch.maximum(y, z)).clamp(max=0) - p[3]


def _torus_arc(x: Tensor, y: Tensor, z: Tensor, p: tuple[float, ...]) -> Tensor:
    """In the xy plane, its middle at +y. Parameters: radius, tube, sine and cosine of the half angle."""
    radius, tube, sine, cosine = p[:4]
    x = x.abs()
    within = _length(_length(x, y) - radius, z)
    beyond = _length(x - radius * sine, y - radius * cosine, z)
    return torch.where(x * cosine > y * sine, beyond, within) - tube


def _disc(x: Tensor, y: Tensor, z: Tensor, p: tuple[float, ...]) -> Tensor:
    """Around the y axis. Parameters: radius, half height, radius of the edges."""
    radius, half_height, edge = p[:3]
    out, up = _length(x, z) - (radius - edge), y.abs() - (half_height - edge)
    return _length(out.clamp(min=0), up.clamp(min=0)) + torch.maximum(out, up).clamp(max=0) - edge


def _half_space(x: Tensor, y: Tensor, z: Tensor, p: tuple[float, ...]) -> Tensor:
    """Solid below y = 0."""
    return y


def _waves(x: Tensor, y: Tensor, z: Tensor, p: tuple[float, ...]) -> Tensor:
    """Parameters: amplitude, three frequencies in radians a unit, three phases."""
    sines = [torch.sin(a * p[1 + i] + p[4 + i]) for i, a in enumerate((x, y, z))]
    return p[0] * sines[0] * sines[1] * sines[2]


def _length(*components: Tensor) -> Tensor:
    total = components[0] * components[0]
    for c in components[1:]:
        total = total + c * c
    return total.sqrt()


_SHAPES = {
    Kind.ELLIPSOID: _ellipsoid,
    Kind.ROUND_CONE: _round_cone,
    Kind.BOX: _box,
    Kind.TORUS_ARC: _torus_arc,
    Kind.DISC: _disc,
    Kind.HALF_SPACE: _half_space,
}


def ellipsoid_slope(radii: tuple[float, ...]) -> float:
    """A bound of the slope of `_ellipsoid`, which is 1 on the surface and grows away from it."""
    aspect = max(radii) / min(radii)
    return 1 + 0.55 * (aspect - 1) ** 2


def waves_slope(amplitude: float, frequency: tuple[float, ...]) -> float:
    """A bound of the slope of `_waves`."""
    return abs(amplitude) * max(map(abs, frequency))


# --- Registered operator ----------------------------------------------------------------------------------------------

torch.library.define("fullhead::distance_field", "(Tensor points, Tensor table) -> (Tensor, Tensor)")


@torch.library.register_fake("fullhead::distance_field")
def _(points, table):
    return points.new_empty(len(points)), points.new_empty(len(points), dtype=torch.int32)


native.forbid_backward("fullhead::distance_field", "gradients of distances")
