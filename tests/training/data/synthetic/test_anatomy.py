# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from torch_utils.ops.distance_field import distance
from training.data.synthetic.anatomy import Masses, anatomy, frame_of, front_of, turned
from training.data.synthetic.identity import identity_from_seed
from training.data.synthetic.solid import Solid, sphere
from training.data.synthetic.surface import approach


def is_rotation(frame):
    R = torch.tensor(frame, dtype=torch.float64)
    return torch.allclose(R @ R.T, torch.eye(3, dtype=torch.float64)) and torch.linalg.det(R).item() == pytest.approx(1)


def test_frames_are_rotations():
    assert is_rotation(turned(0.3, -0.8, 1.2))
    assert is_rotation(frame_of((1.0, 0.2, 0.1), (0.1, 1.0, -0.3), (0.0, 0.1, 0.2), 0.4))
    assert is_rotation(anatomy(identity_from_seed(0, 0)).R_world_ear)


def test_turned_turns_about_each_axis_by_the_right_hand():
    torch.testing.assert_close(
        torch.tensor(turned(x_rad=math.pi / 2)) @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    )
    torch.testing.assert_close(
        torch.tensor(turned(y_rad=math.pi / 2)) @ torch.tensor([0.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0])
    )
    torch.testing.assert_close(
        torch.tensor(turned(z_rad=math.pi / 2)) @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    )


def test_a_frame_has_its_axes_along_the_points_it_was_made_from():
    R = torch.tensor(frame_of((2.0, 0.0, 0.0), (0.5, 0.0, 3.0), (0.0, 0.0, 0.0)))
    torch.testing.assert_close(R, torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]))


def test_places_of_the_face_lie_on_the_clay():
    for index in range(8):
        who = identity_from_seed(1, index)
        solid = Solid()
        Masses(who, 0.5).add_to(solid.layer("skin"))
        places = anatomy(who, 0.5)
        points = torch.tensor([*places.mouth, *places.brow])
        assert distance(points, solid.table())[0].abs().max() < 2e-3


def test_places_on_the_skull_are_as_high_as_asked():
    places = anatomy(identity_from_seed(0, 1))
    x, y, z = places.on_skull(90.0, 0.1, 0.02)
    assert y == 0.1
    assert x > 0.1
    assert z == pytest.approx(places.skull[2])


def test_who_approaches_a_ball_stops_on_it():
    solid = Solid()
    solid.layer("ball").add(sphere((0.0, 0.0, 0.1), 0.2))
    assert front_of(solid, [(0.0, 0.0), (0.12, 0.0)])[0][2] == pytest.approx(0.3, abs=1e-6)
    start = torch.tensor([[0.0, 1.0, 0.1]])
    end = approach(start, torch.tensor([[0.0, -1.0, 0.0]]), solid.table(), 8)
    torch.testing.assert_close(end, torch.tensor([[0.0, 0.2, 0.1]]))
