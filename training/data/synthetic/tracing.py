# SPDX-License-Identifier: Apache-2.0
"""Where rays meet a solid, and what light does there: surface points, normals, ambient occlusion, soft shadows.

Vocabulary: `t` is the length along a ray. A ray *marches*: it goes on by the distance of the solid until that is
negative; then the surface lies between its last two stops, and a few secant steps find it. Steps are never shorter than
`LEAST_STEP`, so what is thinner may be missed, and a ray along a surface ends. A *beam* is a square of the lattice that
marches as one cone through the empty space in front.

What is returned for a ray depends on this ray alone: not on its neighbours, their number, or the number of threads.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from torch_utils.ops.distance_field import Kind, distance
from training.data.synthetic.lattice import TILE, lattice_rays, lattice_size, tile_order
from training.types import Camera

REACH = 1.0  # the solid is looked for within this distance of the origin
LEAST_STEP = 1e-3
_MAX_STEPS = 200
_MAX_BEAM_STEPS = 12
_MAX_SECANT_STEPS = 12
_ON_SURFACE = 1e-6


@dataclass(frozen=True)
class Hits:
    """The samples of a picture that see the solid, listed so that neighbours are neighbours in space."""

    sample: Int[Tensor, " hits"]  # index into the lattice, row by row
    points: Float[Tensor, "hits 3"]
    directions: Float[Tensor, "hits 3"]  # of the rays, unit
    z_depth: Float[Tensor, " hits"]
    layer: Int[Tensor, " hits"]

    def on_lattice(self, values: Tensor, resolution: int, elsewhere: float = 0.0) -> Float[Tensor, "size size ..."]:
        """Values of the hits at their places in the lattice, and `elsewhere` around them."""
        size = lattice_size(resolution)
        lattice = values.new_full((size * size, *values.shape[1:]), elsewhere)
        return lattice.index_copy_(0, self.sample, values).unflatten(0, (size, size))


def trace(camera: Camera, resolution: int, table: Float[Tensor, "rows columns"]) -> Hits:
    """What the samples of a picture see."""
    origin, directions, cosines = lattice_rays(camera, resolution)
    size, pace = lattice_size(resolution), march_pace(table)
    clear = _clear_lengths(origin, directions.unflatten(0, (size, size)), table, pace).flatten()
    near, far = _segment_in_reach(origin, directions)
    sample = tile_order(size)
    directions, near, far = directions[sample], torch.maximum(near, clear)[sample], far[sample]
    seen, t, layer = march(origin, directions, near, far, table, pace)
    directions, sample = directions[seen], sample[seen]
    return Hits(sample, origin + t[:, None] * directions, directions, t * cosines[sample], layer)


def march_pace(table: Float[Tensor, "rows columns"]) -> float:
    """The share of the distance that is safe to go: waves make a surface steeper than its distance tells."""
    waves = table[table[:, 0] == Kind.WAVES]
    steepest = max((waves[waves[:, 1] == layer, 5].sum().item() for layer in waves[:, 1].unique()), default=0.0)
    return 1 / (1 + steepest)


def march(
    origin: Float[Tensor, "3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, " rays"],
    far: Float[Tensor, " rays"],
    table: Float[Tensor, "rows columns"],
    pace: float,
) -> tuple[Int[Tensor, " hits"], Float[Tensor, " hits"], Int[Tensor, " hits"]]:
    """First passage of each ray to negative distances, between near and far: which rays have one, t, layer."""
    ray = (near < far).nonzero()[:, 0]
    t, here, limit = near[ray], directions[ray], far[ray]
    before, value_before = t, torch.zeros_like(t)
    crossings = []  # of (ray, t before, t after, value before, value after)
    for _ in range(_MAX_STEPS):
        if len(ray) == 0:
            break
        value, _ = distance(torch.addcmul(origin, t[:, None], here), table)
        is_inside = value < 0
        ahead = t + (value * pace).clamp(min=LEAST_STEP)
        going = ((ahead < limit) & ~is_inside).nonzero()[:, 0]
        if len(going) == len(ray):  # most steps, and nothing to sort out
            before, value_before, t = t, value, ahead
            continue
        crossed = is_inside.nonzero()[:, 0]
        if len(crossed):
            crossings.append(_rows(crossed, ray, before, t, value_before, value))
        before, value_before, t, ray, here, limit = _rows(going, t, value, ahead, ray, here, limit)
    if not crossings:
        return ray[:0], t[:0], ray[:0].int()
    ray, before, after, value_before, value_after = (torch.cat(x) for x in zip(*crossings, strict=True))
    ray, order = torch.sort(ray)  # in which they were given
    bracket = (x[order] for x in (before, after, value_before, value_after))
    return ray, *_surface_between(origin, directions[ray], *bracket, table)


def _surface_between(
    origin: Tensor,
    directions: Tensor,
    before: Tensor,  # t of a stop with a positive distance
    after: Tensor,  # t of a stop with a negative one
    value_before: Tensor,
    value_after: Tensor,
    table: Tensor,
) -> tuple[Tensor, Tensor]:
    """Where the distance vanishes between two stops: t, and the layer there. False position with the Illinois rule."""
    t, layer = torch.empty_like(before), torch.empty_like(before, dtype=torch.int32)
    ray = torch.arange(len(t))  # those that are not there yet
    was_beyond = value_before > torch.inf
    again = was_beyond
    for _ in range(_MAX_SECANT_STEPS):
        here = before + (after - before) * (value_before / (value_before - value_after))
        value, layer_here = distance(torch.addcmul(origin, here[:, None], directions), table)
        t[ray], layer[ray] = here, layer_here
        is_beyond = value < 0
        # An end that stays for a second time counts half, or it would stay for good on a curved course.
        kept = 1 - 0.5 * (again & (is_beyond == was_beyond)).float()
        value_before, value_after = (
            torch.where(is_beyond, value_before * kept, value),
            torch.where(is_beyond, value, value_after * kept),
        )
        before, after = torch.where(is_beyond, before, here), torch.where(is_beyond, here, after)
        going = (value.abs() > _ON_SURFACE).nonzero()[:, 0]
        if len(going) == 0:
            break
        state = (ray, directions, before, after, value_before, value_after, is_beyond)
        ray, directions, before, after, value_before, value_after, was_beyond = _rows(going, *state)
        again = torch.ones_like(was_beyond)
    return t, layer


def _rows(chosen: Tensor, *columns: Tensor) -> list[Tensor]:
    """The chosen rows of each; for the few rays of most steps, half the time that brackets take."""
    return [column.index_select(0, chosen) for column in columns]


def _segment_in_reach(origin: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """From where to where rays are within reach; far < near where they never are."""
    middle = -(directions @ origin)
    square = REACH**2 - (origin.square().sum() - middle.square())
    half = square.clamp(min=0).sqrt()
    return (middle - half).clamp(min=0), torch.where(square > 0, middle + half, -torch.inf)


def _clear_lengths(
    origin: Float[Tensor, "3"],
    directions: Float[Tensor, "size size 3"],
    table: Float[Tensor, "rows columns"],
    pace: float,
) -> Float[Tensor, "size size"]:
    """A t for each ray of the lattice up to which it surely meets nothing, found by its beam."""
    size = len(directions)
    side = -(-size // TILE)
    missing = side * TILE - size
    padded = pad(directions.movedim(-1, 0), (0, missing, 0, missing), mode="replicate").movedim(0, -1)
    rays = padded.unflatten(0, (side, TILE)).unflatten(2, (side, TILE)).transpose(1, 2).reshape(side * side, -1, 3)
    axis = rays.mean(1)  # as good as a unit vector: a point on it is as near to the rays' points
    spread = (rays - axis[:, None]).square().sum(-1).amax(1).sqrt()
    t = torch.zeros_like(spread)
    for _ in range(_MAX_BEAM_STEPS):
        value, _ = distance(torch.addcmul(origin, t[:, None], axis), table)
        # A point of a ray at t + step is within step + (t + step) * spread of the axis at t.
        step = (value * pace - t * spread) / (1 + spread)
        t = t + step.clamp(min=0)
    lengths = t.unflatten(0, (side, side)).repeat_interleave(TILE, 0).repeat_interleave(TILE, 1)
    return lengths[:size, :size]


# --- Light ------------------------------------------------------------------------------------------------------------

_LIFT = 1e-3  # shadow rays begin a little above the surface
_SHADOW_START = 0.006
_SHADOW_STRIDE = 0.12  # of the way gone, at least: what is nearer to the point needs finer steps
_MAX_SHADOW_STEPS = 32


def normals(
    points: Float[Tensor, "points 3"], table: Float[Tensor, "rows columns"], step: float = 5e-4
) -> Float[Tensor, "points 3"]:
    """Unit normals: the slope of the distance, from its values at a step to either side along each axis."""
    axes = step * torch.eye(3, dtype=points.dtype)
    around = points + torch.cat([axes, -axes])[:, None]
    after, before = distance(around.flatten(0, 1), table)[0].view(2, 3, -1)
    slope = (after - before).T
    return slope / torch.linalg.vector_norm(slope, dim=-1, keepdim=True).clamp(min=1e-12)


def ambient_occlusion(
    points: Float[Tensor, "points 3"],
    normals: Float[Tensor, "points 3"],
    table: Float[Tensor, "rows columns"],
    reach: float = 0.1,
    taps: int = 4,
) -> Float[Tensor, " points"]:
    """How open the half space above each point is, within about `reach`: 1 on a plane, towards 0 in a crevice.

    At heights above the point, each half of the one before, an open surface is as far away as the height.
    """
    heights = reach * 0.5 ** torch.arange(taps, dtype=points.dtype)
    above = points + heights[:, None, None] * normals
    values = distance(above.flatten(0, 1), table)[0].unflatten(0, (taps, -1))
    return (values / heights[:, None]).clamp(0, 1).mean(0)


def soft_shadow(
    points: Float[Tensor, "points 3"],
    normals: Float[Tensor, "points 3"],
    to_light: Float[Tensor, "3"],
    table: Float[Tensor, "rows columns"],
    width: float = 0.15,
    reach: float = 0.6,
) -> Float[Tensor, " points"]:
    """The share of a light that reaches each point: 0 behind something, 1 in the open, half light between.

    `to_light` is the unit direction of the light's middle, `width` the tangent of its half angle. What is left of the
    light is told from how near the solid comes to the middle ray, relative to the width of the light's cone there.
    """
    share = torch.full_like(points[:, 0], -1)
    facing = normals @ to_light
    ray = (facing > -width).nonzero()[:, 0]
    start, t = points[ray] + _LIFT * normals[ray], torch.full_like(facing[ray], _SHADOW_START)
    pace, least = march_pace(table), torch.ones_like(t)
    for _ in range(_MAX_SHADOW_STEPS):
        value, _ = distance(torch.addcmul(start, t[:, None], to_light), table)
        least = torch.minimum(least, value / (width * t))
        t = t + torch.maximum(value * pace, _SHADOW_STRIDE * t)
        going = ((least > -1) & (t < reach)).nonzero()[:, 0]
        if len(going) < len(ray):
            share[ray] = least
            ray, start, t, least = _rows(going, ray, start, t, least)
        if len(going) == 0:
            break
    share[ray] = least
    openness = ((share + 1) / 2).clamp(0, 1)
    return openness * openness * (3 - 2 * openness)
