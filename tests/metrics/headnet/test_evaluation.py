# SPDX-License-Identifier: Apache-2.0
"""The measures of HeadNet agree with simpler ones, and the shipped network does on fresh heads what its page says."""

import itertools
import math

import pytest
import torch

from metrics.headnet import faults, sheets
from metrics.headnet.evaluation import (
    FACE_RAD,
    auc,
    distance,
    evaluate,
    mask_iou,
    moments,
    over,
    pairs,
    verification,
    yaw_errors_deg,
)
from metrics.headnet.record import to_json


def test_auc_is_the_share_of_pairs_in_the_right_order():
    draws = torch.Generator().manual_seed(1)
    positive, negative = (torch.randint(0, 9, (count,), generator=draws).float() for count in (30, 40))
    wins = [(p > n) + 0.5 * (p == n) for p in positive.tolist() for n in negative.tolist()]
    assert auc(positive, negative) == pytest.approx(sum(wins) / len(wins))


def test_pairs_are_all_pairs_of_two_rows():
    vectors = torch.rand(5, 3, generator=torch.Generator().manual_seed(1))
    products, is_same = pairs(vectors, torch.tensor([0, 1, 0, 2, 1]))
    expected = [float(vectors[i] @ vectors[j]) for i in range(5) for j in range(i + 1, 5)]
    torch.testing.assert_close(products, torch.tensor(expected))
    assert is_same.nonzero().squeeze(1).tolist() == [1, 6]


def test_a_yaw_is_off_by_the_short_way_round(heads):
    class Told:
        @staticmethod
        def yaw_rad(images):
            return torch.remainder(heads.yaw_rad + math.radians(350), 2 * math.pi)[: len(images)]

    torch.testing.assert_close(yaw_errors_deg(Told, heads), torch.full((72,), 10.0), rtol=0, atol=1e-3)


def test_no_fault_changes_nothing(heads):
    assert torch.equal(faults.blur(heads.image, 0), heads.image)
    assert torch.equal(faults.noise(heads.image, 0), heads.image)
    assert torch.equal(faults.dropped(heads, 0), heads.image)
    assert torch.equal(faults.faces(heads, 0), heads.image[heads.yaw_rad.cos() < 0])


def test_a_blur_of_a_dot_has_its_deviation():
    dot = torch.zeros(1, 3, 65, 65, dtype=torch.uint8)
    dot[..., 30:35, 30:35] = 255
    profile = faults.blur(dot, 4.0)[0, 0].float().sum(dim=0)
    places = torch.arange(65) - 32.0
    variance = (profile * places.square()).sum() / profile.sum()
    assert float(variance) == pytest.approx(16 + 2, rel=0.05)  # That of the dot's own width is 2.


def test_dropping_keeps_the_number_of_pictures_and_loses_identities(heads):
    left = faults.dropped(heads, 0.75)
    assert len(left) == len(heads)
    assert len(left.flatten(1).unique(dim=0)) == 18  # 3 of 12 identities, 6 views each.


def test_sides_of_fresh_heads_are_told_within_five_degrees(net, heads):
    error = yaw_errors_deg(net, heads)
    assert error.median() <= 5
    assert error.quantile(0.9) <= 15
    assert yaw_errors_deg(net, heads, faults.blur(heads.image, 1.0)).median() <= 5


def test_a_mirrored_head_is_seen_from_the_other_side(net, heads):
    mirrored = over(net.yaw_rad, heads.image.flip(-1))
    error = torch.remainder(mirrored + heads.yaw_rad + math.pi, 2 * math.pi) - math.pi
    assert error.abs().rad2deg().median() <= 5


def test_faces_of_heads_never_seen_are_verified(net, heads):
    is_face = heads.yaw_rad.abs() <= FACE_RAD
    identity = over(net.identity, heads.image[is_face])
    assert verification(identity, heads.identity[is_face]) >= 0.95


def test_masks_of_fresh_heads_cover_them(net, heads):
    assert mask_iou(net, heads) >= 0.93


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda heads, amount: faults.blur(heads.image, 4 * amount), id="blur"),
        pytest.param(lambda heads, amount: faults.noise(heads.image, 0.2 * amount), id="noise"),
        pytest.param(faults.dropped, id="dropped"),
    ],
)
def test_the_distance_of_a_set_to_itself_grows_with_a_fault(net, heads, spoil):
    whole = moments(net, heads.image)
    distances = [distance(whole, moments(net, spoil(heads, amount))) for amount in (0.0, 0.25, 0.5, 0.75)]
    assert distances[0] < 1e-3
    assert distances == sorted(distances)
    assert distances[1] > 1


def test_faces_on_backs_raise_the_distance_of_backs(net, heads):
    backs = moments(net, faults.faces(heads, 0))
    distances = [distance(backs, moments(net, faults.faces(heads, share))) for share in (0.0, 0.25, 0.5, 0.75)]
    assert distances == sorted(distances)
    assert distances[1] > 1


def test_blur_is_nearer_than_other_people(net, heads):
    is_first = heads.identity < 6
    reference = moments(net, heads.image[is_first])
    blurred, others = (
        distance(reference, moments(net, images))
        for images in (faults.blur(heads.image[is_first], 0.5), heads.image[~is_first])
    )
    assert 0 < blurred < others


def test_pictures_of_one_head_look_more_alike_after_less_blur(net, heads):
    distances = [net.perceptual(heads.image, faults.blur(heads.image, sigma_px)) for sigma_px in (0.5, 1.0, 2.0, 4.0)]
    for less, more in itertools.pairwise(distances):
        assert (less < more).all()
    unrelated = net.perceptual(heads.image, heads.image.roll(6, dims=0))
    assert distances[0].mean() < unrelated.mean()


def test_all_figures_are_numbers_and_can_be_drawn(net, heads):
    figures = evaluate(net, heads)
    assert '"median_deg"' in to_json(figures)  # Which refuses what is not finite.
    assert sheets.response(figures).ndim == 3
    assert sheets.readings(net, heads, columns=4, rows=2).shape[2] == 3
    assert sheets.neighbours(net, heads, rows=2).shape[2] == 3
