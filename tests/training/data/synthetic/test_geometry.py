# SPDX-License-Identifier: Apache-2.0
"""Pictures, masks, depths and cameras of procedural heads agree with each other: one head, seen from several places."""

import math

import pytest
import torch
import torch.nn.functional as F

from torch_utils.ops import forced
from torch_utils.ops.distance_field import distance
from training.camera_paths import camera_on_sphere
from training.camera_rays import pixel_centres, project
from training.cameras import hv_from_angles, translate
from training.data.synthetic.head import head
from training.data.synthetic.identity import identity_from_seed
from training.data.synthetic.picture import Picture, render
from training.data.synthetic.views import cropped
from training.types import Camera

RESOLUTION = 64
PIXEL = 0.633 / RESOLUTION  # In the world, at the origin.
PEOPLE = [identity_from_seed(5, index) for index in range(3)]


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    """As in the workers that make sets: threads of several processes on one machine only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def camera(azimuth_deg: float, elevation_deg: float = 0.0) -> Camera:
    angles = torch.tensor([azimuth_deg, elevation_deg], dtype=torch.float64).deg2rad()
    return camera_on_sphere(*hv_from_angles(*angles)).to(torch.float32)


def points_of(picture: Picture, camera: Camera) -> torch.Tensor:
    """Where the pixels' depth says that the surface is, [pixels, 3]."""
    uv = pixel_centres(RESOLUTION)
    z = torch.from_numpy(picture.depth).flatten()
    fx, fy = camera.intrinsics[0, 0], camera.intrinsics[1, 1]
    x = (uv[:, 0] - camera.intrinsics[0, 2]) / fx
    y = (uv[:, 1] - camera.intrinsics[1, 2]) / fy
    directions = x[:, None] * camera.right + y[:, None] * camera.down + camera.forward
    return camera.position + z[:, None] * directions


def look_up(values: torch.Tensor, uv: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """Values [pixels, channels] of a picture at places of it."""
    grid = (2 * uv - 1)[None, None]
    rows = values.unflatten(0, (RESOLUTION, RESOLUTION)).movedim(-1, 0)[None]
    return F.grid_sample(rows, grid, mode=mode, align_corners=False)[0, :, 0].T


@pytest.fixture(scope="module", params=range(len(PEOPLE)))
def seen(request):
    """One person, and the pictures from the front, from the side, from behind and above."""
    cameras = [camera(-20.0), camera(5.0), camera(80.0), camera(170.0, 25.0)]
    who = PEOPLE[request.param]
    return who, [(each, render(who, each, RESOLUTION)) for each in cameras]


def test_the_mask_is_where_the_depth_is_finite(seen):
    for _, picture in seen[1]:
        assert ((picture.mask > 0) == (picture.depth < math.inf)).all()
        assert 0.2 < (picture.mask > 0).mean() < 0.9


def test_depth_lands_on_the_surface_of_the_solid(seen):
    who, views = seen
    table = head(who, 0.25).whole
    for place, picture in views:
        points, mask = points_of(picture, place), torch.from_numpy(picture.mask).flatten()
        away, _ = distance(points[mask == 255], table)
        assert away.abs().max() < 1e-3
        # At edges the depth may be that of a neighbouring sample, half a pixel away in each direction.
        edge, _ = distance(points[(mask > 0) & (mask < 255)], table)
        assert edge.abs().max() < 2 * PIXEL


def test_depth_of_one_view_lands_on_the_surface_of_the_others_or_behind_it(seen):
    for place, picture in seen[1]:
        points = points_of(picture, place)[torch.from_numpy(picture.mask).flatten() == 255]
        for other_place, other in seen[1]:
            uv, z = project(other_place, points)
            shown = (uv > 0).all(-1) & (uv < 1).all(-1)
            nearest, farthest = (look_up(depth, uv, "nearest")[shown, 0] for depth in depth_range(other))
            is_floating = z[shown] < nearest - PIXEL  # Rims of glasses may be thinner than the samples of one picture.
            assert is_floating.float().mean() < 0.005, "what is seen from one place hangs in the air from the other"
            is_seen_again = z[shown] < farthest + PIXEL
            if is_near(place, other_place):
                assert is_seen_again.float().mean() > 0.9
                depth = look_up(torch.from_numpy(other.depth).flatten()[:, None], uv[shown])[:, 0]
                assert (depth - z[shown])[is_seen_again].abs().median() < 0.1 * PIXEL
            else:
                assert is_seen_again.float().mean() < 0.9, "a head hides some of itself"


def depth_range(picture: Picture) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the largest depth around each pixel: at a silhouette a pixel may be of either side."""
    depth = torch.from_numpy(picture.depth)[None].clamp(max=1e3)
    least, largest = -F.max_pool2d(-depth, 3, 1, 1), F.max_pool2d(depth, 3, 1, 1)
    return least.reshape(-1, 1), largest.reshape(-1, 1)


def is_near(one: Camera, other: Camera) -> bool:
    return bool(one.forward @ other.forward > math.cos(math.radians(30)))


@pytest.mark.parametrize("shift_world", [(0.06, 0.0, 0.0), (0.0, -0.05, 0.0), (0.03, 0.04, 0.4)])
def test_a_moved_camera_moves_the_picture_as_projected(seen, shift_world):
    who, ((place, picture), *_) = seen
    moved = translate(place, torch.tensor(shift_world))
    then = render(who, moved, RESOLUTION)
    inside = torch.from_numpy(picture.mask).flatten() == 255
    uv, z = project(moved, points_of(picture, place)[inside])
    largest = depth_range(then)[1]
    stays = (uv > 0).all(-1) & (uv < 1).all(-1)
    stays &= z < look_up(largest, uv, "nearest")[:, 0] + PIXEL
    assert stays.float().mean() > 0.8
    before = torch.from_numpy(picture.image).flatten(0, 1)[inside][stays].float()
    after = torch.from_numpy(then.image).flatten(0, 1).float()
    error = (look_up(after, uv[stays]) - before).abs().mean()
    unmoved = (look_up(after, pixel_centres(RESOLUTION)[inside][stays]) - before).abs().mean()
    assert error < 0.2 * unmoved, "more than interpolation between pixels costs"


def test_a_crop_moves_the_picture_by_whole_pixels(seen):
    who, ((place, picture), *_) = seen
    shift = torch.tensor([5, -3]) / RESOLUTION
    moved = render(who, cropped(place, shift, torch.ones(())), RESOLUTION)
    assert (
        torch.from_numpy(picture.mask)[3:, :-5].sub(torch.from_numpy(moved.mask)[:-3, 5:]).eq(0).float().mean() > 0.999
    )
    before, after = torch.from_numpy(picture.depth)[3:, :-5], torch.from_numpy(moved.depth)[:-3, 5:]
    both = before.isfinite() & after.isfinite()
    assert ((before - after)[both].abs() < 1e-4).float().mean() > 0.999


def test_a_scaled_crop_moves_what_is_seen_away_from_the_middle(seen):
    who, ((place, picture), *_) = seen
    enlarged = render(who, cropped(place, torch.zeros(2), torch.tensor(2.0)), RESOLUTION)
    middle = torch.from_numpy(picture.mask)[16:48, 16:48].float() / 255
    halved = F.avg_pool2d(torch.from_numpy(enlarged.mask)[None].float() / 255, 2)[0]
    assert (middle - halved).abs().mean() < 0.01


@pytest.mark.slow
def test_both_paths_of_the_operator_give_the_same_pictures():
    off = total = 0
    for who, azimuth_deg in zip(PEOPLE[:2], (30.0, 200.0), strict=True):
        picture = render(who, camera(azimuth_deg), RESOLUTION)
        with forced("reference"):
            reference = render(who, camera(azimuth_deg), RESOLUTION)
        for one, other in ((picture.image, reference.image), (picture.mask[..., None], reference.mask[..., None])):
            off += int((abs(one.astype(int) - other).max(axis=-1) > 1).sum())
            total += RESOLUTION**2
    assert off <= 0.001 * total
