# SPDX-License-Identifier: Apache-2.0
"""Solids in words: layers that shapes are added to, cut from or kept within, written down as the table of an operator.

    solid = Solid()
    skin = solid.layer("skin")
    skin.add(ellipsoid((0, 0, 0), (0.1, 0.13, 0.11)))
    skin.add(round_cone((0, -0.05, 0.1), (0, -0.05, 0.12), 0.01, 0.005), blend=0.02)
    hair = solid.layer("hair").add(skin.inflated(0.01)).cut(half_space((0, 0.05, 0), (0, -1, 0)), blend=0.02)
    distance(points, solid.table())

Vocabulary: torch_utils/ops/distance_field.py. Rows are carried out in the order they are written, so another layer
joins with what it is at that moment. Rotations are R_world_shape: their columns are the axes of the shape.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from torch_utils.ops.distance_field import Join, Kind, Row, ellipsoid_slope, waves_slope

Vector = Sequence[int | float]  # three numbers, world
Rotation = Sequence[Vector]  # R_world_shape, row by row


@dataclass(frozen=True)
class Operand:
    """A shape, or another layer's value, on its way into a layer."""

    kind: Kind
    parameters: tuple[float, ...]
    centre: tuple[float, ...] = (0.0, 0.0, 0.0)
    rotation: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    mirrored: bool = False
    slope: float = 1.0


class Layer:
    """One material. Every method writes a row and gives the layer back."""

    def __init__(self, solid: "Solid", name: str, index: int) -> None:
        self.name = name
        self.index = index
        self._solid = solid

    def add(self, operand: "Operand | Layer", blend: float = 0.0) -> "Layer":
        """Smooth union."""
        return self._join(operand, Join.ADD, blend)

    def cut(self, operand: "Operand | Layer", blend: float = 0.0) -> "Layer":
        """The layer without the operand."""
        return self._join(operand, Join.CUT, blend)

    def keep(self, operand: "Operand | Layer", blend: float = 0.0) -> "Layer":
        """The part of the layer that is within the operand."""
        return self._join(operand, Join.KEEP, blend)

    def inflated(self, thickness: float) -> Operand:
        """This layer's value as an operand, grown by `thickness`; the layer stays as it is."""
        return Operand(Kind.VALUE, (float(self.index), float(thickness)))

    def inflate(self, thickness: float) -> "Layer":
        """Grow, or shrink where negative."""
        return self._write(Row(Kind.INFLATE, self.index, parameters=(float(thickness),)))

    def shell(self, thickness: float) -> "Layer":
        """Hollow out: what is left reaches `thickness` below the surface."""
        _require(thickness > 0, f"A shell has a thickness above 0, not {thickness}.")
        return self._write(Row(Kind.SHELL, self.index, parameters=(float(thickness),)))

    def waves(
        self,
        amplitude: float,
        frequency: Vector,
        phase: Vector = (math.pi / 2,) * 3,
        rotation: Rotation | None = None,
        mirrored: bool = False,
    ) -> "Layer":
        """Displace by amplitude * product of sin(frequency * position + phase), frequencies in radians a unit.

        An axis of frequency 0 with a phase of pi/2 takes no part.
        """
        frequency, phase = _vector(frequency, "frequency"), _vector(phase, "phase")
        slope = waves_slope(amplitude, frequency)
        parameters = (float(amplitude), *frequency, *phase)
        turned = _rotation(rotation)
        row = Row(Kind.WAVES, self.index, mirrored=mirrored, slope=slope, rotation=turned, parameters=parameters)
        return self._write(row)

    def _join(self, operand: "Operand | Layer", join: Join, blend: float) -> "Layer":
        _require(blend >= 0, f"A blend is a width of at least 0, not {blend}.")
        if isinstance(operand, Layer):
            operand = operand.inflated(0.0)
        o = operand
        place = {"centre": o.centre, "rotation": o.rotation, "parameters": o.parameters}
        return self._write(Row(o.kind, self.index, join, float(blend), o.mirrored, o.slope, **place))

    def _write(self, row: Row) -> "Layer":
        self._solid.rows.append(row)
        return self


class Solid:
    """Layers and the rows that make them."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.layer_names: list[str] = []
        self.visible: list[bool] = []

    def layer(self, name: str, visible: bool = True) -> Layer:
        """Begin a new, empty layer. A hidden one is not seen; it serves others as an operand."""
        _require(name not in self.layer_names, f"The solid has a layer '{name}' already; keep what layer() returned.")
        index = len(self.layer_names)
        self.layer_names.append(name)
        self.visible.append(visible)
        self.rows.append(Row(Kind.LAYER, index, parameters=(float(visible),)))
        return Layer(self, name, index)

    def table(self) -> Float[Tensor, "rows columns"]:
        """The solid as the operator takes it."""
        _require(any(self.visible), "The solid has no visible layer, so nothing could be seen of it; add one.")
        return torch.tensor([row.numbers() for row in self.rows], dtype=torch.float32)


# --- Shapes -----------------------------------------------------------------------------------------------------------


def ellipsoid(centre: Vector, radii: Vector, rotation: Rotation | None = None, mirrored: bool = False) -> Operand:
    """A bound, not the exact distance; good up to radii of about 1 : 4, and then rather a round cone or a box."""
    radii = _vector(radii, "radii")
    _require(min(radii) > 0, f"The radii of an ellipsoid are above 0, not {radii}.")
    return _shape(Kind.ELLIPSOID, radii, centre, _rotation(rotation), mirrored, ellipsoid_slope(radii))


def sphere(centre: Vector, radius: float, mirrored: bool = False) -> Operand:
    """Exact."""
    return round_cone(centre, centre, radius, radius, mirrored)


def capsule(a: Vector, b: Vector, radius: float, mirrored: bool = False) -> Operand:
    """Exact."""
    return round_cone(a, b, radius, radius, mirrored)


def round_cone(a: Vector, b: Vector, radius_a: float, radius_b: float, mirrored: bool = False) -> Operand:
    """The hull of two balls. Exact."""
    _require(radius_a > 0 and radius_b > 0, f"Radii are above 0, not {radius_a} and {radius_b}.")
    a, b = _vector(a, "a"), _vector(b, "b")
    height = math.dist(a, b)
    if height <= abs(radius_a - radius_b):  # one ball holds the other
        a, radius = (a, radius_a) if radius_a > radius_b else (b, radius_b)
        return _shape(Kind.ROUND_CONE, (0.0, radius, radius, 0.0, 1.0), a, _rotation(None), mirrored)
    sine = (radius_a - radius_b) / height
    parameters = (height, radius_a, radius_b, sine, math.sqrt(1 - sine * sine))
    axis = [(y - x) / height for x, y in zip(a, b, strict=True)]
    return _shape(Kind.ROUND_CONE, parameters, a, _rotation(rotation_of_axis(axis)), mirrored)


def box(
    centre: Vector, half_sizes: Vector, rotation: Rotation | None = None, round: float = 0.0, mirrored: bool = False
) -> Operand:
    """With edges of radius `round`, within the half sizes. Exact."""
    half_sizes = _vector(half_sizes, "half_sizes")
    _require(min(half_sizes) > 0, f"The half sizes of a box are above 0, not {half_sizes}.")
    _require(0 <= round <= min(half_sizes), f"round lies between 0 and the least half size, not at {round}.")
    return _shape(Kind.BOX, (*half_sizes, round), centre, _rotation(rotation), mirrored)


def torus_arc(
    centre: Vector,
    radius: float,
    tube: float,
    half_angle_rad: float = math.pi,
    rotation: Rotation | None = None,
    mirrored: bool = False,
) -> Operand:
    """Part of a ring in the xy plane of the shape, its middle at +y, with round ends. Exact."""
    _require(radius > 0 and tube > 0, f"Radius and tube are above 0, not {radius} and {tube}.")
    _require(0 < half_angle_rad <= math.pi, f"The half angle lies between 0 and pi, not at {half_angle_rad}.")
    # Just short of pi the ends would be told apart by rounding alone.
    sine, cosine = (
        (0.0, -1.0) if half_angle_rad > math.pi - 1e-6 else (math.sin(half_angle_rad), math.cos(half_angle_rad))
    )
    return _shape(Kind.TORUS_ARC, (radius, tube, sine, cosine), centre, _rotation(rotation), mirrored)


def disc(
    centre: Vector,
    radius: float,
    half_height: float,
    rotation: Rotation | None = None,
    round: float = 0.0,
    mirrored: bool = False,
) -> Operand:
    """A cylinder around the y axis of the shape, with edges of radius `round`. Exact."""
    _require(radius > 0 and half_height > 0, f"Radius and half height are above 0, not {radius} and {half_height}.")
    least = min(radius, half_height)
    _require(
        0 <= round <= least, f"round lies between 0 and {least}, the lesser of radius and half height, not {round}."
    )
    return _shape(Kind.DISC, (radius, half_height, round), centre, _rotation(rotation), mirrored)


def half_space(point: Vector, normal: Vector, mirrored: bool = False) -> Operand:
    """Everything on the side of `point` that `normal` points away from. Exact."""
    normal = _vector(normal, "normal")
    length = math.hypot(*normal)
    _require(length > 0, "The normal of a half space has a length; this one is zero.")
    axis = [x / length for x in normal]
    return _shape(Kind.HALF_SPACE, (), point, _rotation(rotation_of_axis(axis)), mirrored)


def rotation_of_axis(axis: Vector) -> Rotation:
    """A rotation whose y axis is the given unit vector."""
    side = (1.0, 0.0, 0.0) if abs(axis[0]) < 0.8 else (0.0, 0.0, 1.0)  # anything that is not parallel to it
    u = _unit(_cross(axis, side))
    v = _cross(u, axis)
    return [[u[i], axis[i], v[i]] for i in range(3)]


def _shape(
    kind: Kind,
    parameters: Sequence[float],
    centre: Vector,
    rotation: tuple[float, ...],
    mirrored: bool,
    slope: float = 1.0,
) -> Operand:
    return Operand(kind, tuple(map(float, parameters)), _vector(centre, "centre"), rotation, mirrored, slope)


def _vector(values: Vector, name: str) -> tuple[float, ...]:
    vector = tuple(float(x) for x in values)
    _require(len(vector) == 3 and all(map(math.isfinite, vector)), f"{name} is three finite numbers, not {vector}.")
    return vector


def _rotation(rotation: Rotation | None) -> tuple[float, ...]:
    if rotation is None:
        return (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    columns = [tuple(map(float, column)) for column in zip(*rotation, strict=True)]
    _require(
        len(rotation) == len(columns) == 3
        and all(math.isclose(math.hypot(*c), 1, abs_tol=1e-4) for c in columns)
        and math.dist(_cross(columns[0], columns[1]), columns[2]) < 1e-4,
        f"R_world_shape is a rotation, three rows of three numbers; {rotation} is none.",
    )
    return tuple(float(x) for row in rotation for x in row)


def _cross(a: Vector, b: Vector) -> tuple[float, ...]:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def _unit(a: Vector) -> tuple[float, ...]:
    length = math.hypot(*a)
    return tuple(x / length for x in a)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)
