# SPDX-License-Identifier: Apache-2.0
import dataclasses
import math

import numpy as np
import pytest
import torch

from torch_utils.ops.distance_field import distance
from training.camera_paths import camera_on_sphere
from training.camera_rays import project
from training.data.synthetic import lattice, tracing
from training.data.synthetic.head import head
from training.data.synthetic.identity import identity_from_seed
from training.data.synthetic.landmarks import NUM_LANDMARKS, head_box, landmarks
from training.data.synthetic.picture import render

FRONT = camera_on_sphere(torch.tensor(math.pi / 2), torch.tensor(math.pi / 2))
SMILE = 0.5
EYES = (slice(36, 42), slice(42, 48))


@pytest.fixture(scope="module", params=range(6))
def who(request):
    return identity_from_seed(5, request.param)


def test_landmarks_lie_on_the_surface(who):
    points = landmarks(who, SMILE)
    assert points.shape == (NUM_LANDMARKS, 3)
    assert distance(points, head(who, SMILE).bare)[0].abs().max() < 1e-3


def test_landmarks_project_into_the_head(who):
    uv, _ = project(FRONT, landmarks(who, SMILE))
    mask = render(who, FRONT, 64, smile=SMILE).mask
    column, row = (uv * 64).floor().long().unbind(-1)
    assert (torch.from_numpy(mask)[row, column] > 0).all()
    left, top, right, bottom = head_box(who, FRONT, SMILE)
    assert (uv >= torch.stack([left, top]) - 0.005).all()
    assert (uv <= torch.stack([right, bottom]) + 0.005).all()


def test_landmarks_are_in_the_order_of_the_68_points(who):
    x, y, _ = landmarks(who, SMILE).unbind(-1)
    assert (x[:17].diff() > -0.003).all()  # the jaw, from left to right in the picture; level with the ears it is steep
    assert (x[17:27].diff() > 0).all()
    assert (y[27:31].diff() < 0).all()
    assert (x[31:36].diff() > 0).all()
    for eye in EYES:
        assert x[eye].argmin() == 0
        assert x[eye].argmax() == 3
        assert y[eye][1:3].min() > y[eye][4:].max()
    assert x[48:60].argmin() == 0
    assert x[48:60].argmax() == 6
    assert y[51] > y[62] > y[66] > y[57]
    assert y[17:27].min() > y[36:48].max() > y[30] > y[33] > y[51] > y[57] > y[8]


def test_the_landmarks_of_the_two_sides_are_mirror_images(who):
    points = landmarks(who, SMILE)
    partner = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    partner += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    partner += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    assert sorted(partner) == list(range(NUM_LANDMARKS))
    torch.testing.assert_close(points[partner] * torch.tensor([-1.0, 1.0, 1.0]), points, atol=1e-4, rtol=0)


def test_eyes_are_dark_where_the_landmarks_say_that_eyes_are(who):
    plain = dataclasses.replace(who, glasses="none", hair_style="bald")
    size = 128
    uv, _ = project(FRONT, landmarks(plain, SMILE))
    image = render(plain, FRONT, size, smile=SMILE).image.astype(float).mean(-1)
    for eye in EYES:
        u, v = (uv[eye].mean(0) * size).tolist()
        row, column = int(v), int(u)
        pupil = image[row - 1 : row + 2, column - 1 : column + 2].min()
        cheek = image[row + 12 : row + 15, column - 1 : column + 2].mean()
        assert pupil < 0.55 * cheek


def test_a_smile_lifts_and_spreads_the_corners_of_the_mouth(who):
    earnest, happy = landmarks(who, 0.0), landmarks(who, 1.0)
    for corner in (48, 54):
        assert happy[corner, 1] > earnest[corner, 1]
        assert happy[corner, 0].abs() > earnest[corner, 0].abs()


@pytest.mark.parametrize("yaw_deg", [0, 70, 180])
def test_the_box_is_that_of_the_head_as_traced(who, yaw_deg):
    size = 256
    camera = camera_on_sphere(torch.tensor(math.pi / 2 + math.radians(yaw_deg)), torch.tensor(1.45))
    hits = tracing.trace(camera, size, head(who, SMILE).with_hair)
    is_head = torch.zeros(len(hits.points), 1)
    is_head[hits.points[:, 1] > landmarks(who, SMILE)[8, 1]] = 1
    rows, columns = np.nonzero(hits.on_lattice(is_head, size)[..., 0].numpy())
    samples = lattice.lattice_size(size) - 1
    traced = np.array([columns.min(), rows.min(), columns.max(), rows.max()]) / samples
    box = head_box(who, camera, SMILE).numpy()
    np.testing.assert_allclose(box[:3], traced[:3], atol=0.003 + 1 / samples)  # what is promised, and one sample
    # Where nothing hangs below the chin, what is level with it is cut a little above its lowest point.
    assert box[3] == pytest.approx(traced[3], abs=0.03)
