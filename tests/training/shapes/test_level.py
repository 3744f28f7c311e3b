# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from tests.training.shapes.scenes import head_scene, labels, level_cameras, position_colour, scene
from training.portraits.sitter import photograph
from training.shapes.densities import Densities
from training.shapes.export import head_mesh
from training.shapes.grid import Grid
from training.shapes.level import Sight, best_level, choose_level
from training.shapes.raster import draw, project_points


def sight_of_slabs(edge: float, steepness: float, is_opaque: np.ndarray) -> Sight:
    """Rays along which the density grows from depth `edge` on, in opaque ones; elsewhere it stays below 5."""
    depths = np.tile(np.linspace(0, 1, 101), (len(is_opaque), 1))
    densities = np.where(is_opaque[:, None], 10 + steepness * (depths - edge), np.minimum(5 * depths, 4.9))
    return Sight(is_opaque, np.where(is_opaque, edge, 1.0), depths, densities)


def test_of_levels_that_see_the_same_silhouette_the_depth_decides():
    is_opaque = np.arange(100) < 40
    assert best_level(sight_of_slabs(0.43, 200.0, is_opaque)) == pytest.approx(10, abs=2)


def test_the_silhouette_decides_before_the_depth():
    is_opaque = np.arange(100) < 40
    sight = sight_of_slabs(0.43, 200.0, is_opaque)
    sight.densities[40:, 50] = 30.0  # What pictures do not show is dense too, a little.
    assert best_level(sight) >= 30


def test_a_picture_of_nothing_has_no_level():
    with pytest.raises(ValueError, match="no surface"):
        best_level(sight_of_slabs(0.5, 1.0, np.zeros(10, dtype=bool)))
    G, sitter = scene(lambda p: p[:, 0] * 0 - 20)
    with pytest.raises(ValueError, match="no surface"):
        choose_level(G, sitter, Densities(G.field, sitter.planes))


@pytest.mark.parametrize(("number", "steepness"), [(0, 20000.0), (1, 3000.0), (3, 1000.0)])
def test_silhouettes_of_the_mesh_are_the_masks_of_the_model(number, steepness):
    """From solid to foggy heads, seen from 8 sides: intersection over union at least 0.95."""
    G, sitter, _ = head_scene(number, steepness, size=64, colour=position_colour)
    ask = Densities(G.field, sitter.planes)
    mesh, _ = head_mesh(ask, Grid(80, 1.0), choose_level(G, sitter, ask))
    cameras = level_cameras(8)
    masks = [mask for seen in photograph(G, sitter, labels(cameras)) for mask in seen["image_mask"][:, 0].numpy()]
    for i, mask in enumerate(masks):
        drawn = draw(project_points(cameras[i], mesh.vertices), mesh.triangles, 64).triangle >= 0
        overlap = (drawn & (mask > 0.5)).sum() / (drawn | (mask > 0.5)).sum()
        assert overlap >= 0.95
