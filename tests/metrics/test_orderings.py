# SPDX-License-Identifier: Apache-2.0
"""Worse pictures have worse numbers: distances of sets of procedural heads that differ in a known way."""

import math

import numpy as np
import pytest
import torch

from metrics.detectors.thumbnails import Thumbnails
from metrics.distances.frechet import distance_and_error
from metrics.distances.kernel import kernel_distance
from metrics.distances.moments import moments_of
from metrics.distances.neighbours import precision_and_recall
from training.camera_paths import camera_on_sphere
from training.cameras import hv_from_angles
from training.data.synthetic.background import backdrop
from training.data.synthetic.items import person
from training.data.synthetic.picture import render
from training.watch.measures import mirrored_face

NUM = 30
SIZE = 32


def picture(identity: int, azimuth_deg: float) -> tuple[np.ndarray, np.ndarray]:
    azimuth_rad = torch.tensor(math.radians(azimuth_deg), dtype=torch.float64)
    camera = camera_on_sphere(*hv_from_angles(azimuth_rad, torch.zeros_like(azimuth_rad)))
    seen = render(person(0, identity), camera.to(torch.float32), SIZE, background=backdrop(0, identity))
    return seen.image, seen.mask


def heads(identities: range, azimuth_deg: float) -> torch.Tensor:
    images = np.stack([picture(i, azimuth_deg + 20 * (i % 5 - 2))[0] for i in identities])
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def front() -> torch.Tensor:
    return heads(range(NUM), 0)


@pytest.fixture(scope="module")
def others() -> torch.Tensor:
    return heads(range(1000, 1000 + NUM), 0)


def features(pictures: torch.Tensor) -> torch.Tensor:
    return Thumbnails().features(pictures)


def frechet(real: torch.Tensor, generated: torch.Tensor) -> float:
    return distance_and_error(moments_of(features(real)), features(generated))[0]


def blurred(pictures: torch.Tensor) -> torch.Tensor:
    return (
        torch.nn.functional.avg_pool2d(pictures.float(), 5, stride=1, padding=2, count_include_pad=False).round().byte()
    )


def noisy(pictures: torch.Tensor, deviation: float) -> torch.Tensor:
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0)) * deviation
    return (pictures.float() + noise).round().clamp(0, 255).byte()


def test_a_set_is_nearest_to_itself_then_to_its_blurred_self_then_to_other_people(
    front: torch.Tensor, others: torch.Tensor
) -> None:
    assert frechet(front, front) < 1e-6 < frechet(front, blurred(front)) < frechet(front, others)
    distances = [frechet(front, noisy(front, deviation)) for deviation in (0, 20, 60, 120)]
    assert distances == sorted(distances)
    assert (
        kernel_distance(features(front), features(others), seed=0)[0]
        < kernel_distance(features(front), features(blurred(others) // 2), seed=0)[0]
    )


def test_a_set_that_has_dropped_half_of_the_people_is_farther(front: torch.Tensor, others: torch.Tensor) -> None:
    assert frechet(front, front[: NUM // 2]) > 10 * max(frechet(front, front), 1e-6)
    both = torch.cat([front, noisy(others, 120)])
    assert precision_and_recall(features(both), features(both)) == (1.0, 1.0)
    assert precision_and_recall(features(both), features(front))[1] < 1


def test_faces_at_the_back_are_found_by_the_back_and_by_the_mirror_and_not_by_the_front(front: torch.Tensor) -> None:
    back = heads(range(NUM), 180)
    janus = front.flip(-1)  # What a volume with two faces shows from behind.
    assert frechet(back, janus) > 5 * max(frechet(back, back), 1e-6)
    assert frechet(back, janus) > frechet(back, heads(range(1000, 1000 + NUM), 180)), "worse than other people"
    assert frechet(front, front) < 1e-6, "from the front nothing has changed"

    def score(behind: np.ndarray, mask: np.ndarray) -> float:
        ahead, ahead_mask = picture(0, 0)
        pictures = [torch.from_numpy(x.copy()).permute(2, 0, 1)[None] / 127.5 - 1 for x in (ahead, behind)]
        masks = [torch.from_numpy(x.copy())[None, None] / 255 for x in (ahead_mask, mask)]
        return mirrored_face(*pictures, *masks)

    honest = score(*picture(0, 180))
    two_faced = score(*(x[:, ::-1] for x in picture(0, 0)))
    assert two_faced == pytest.approx(1.0)
    assert honest < 0.6
