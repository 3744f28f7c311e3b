# SPDX-License-Identifier: Apache-2.0
"""Weights follow from true azimuth and elevation, and from nothing else."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data.sets import labels_at
from training.data.config import SelectionConfig
from training.data.problems import DataError
from training.data.selection import angles_deg, select, source_weights

AZIMUTHS = np.array([0.0, 45, -45, 89.9, 90, -90, 91, 135, 180, -179.9])
ALL = np.ones(len(AZIMUTHS), dtype=bool)


def chosen(azimuth_deg=AZIMUTHS, elevation_deg=0.0, seed=0, **config):
    labels = labels_at(azimuth_deg, elevation_deg)
    return select(labels, np.ones(len(labels), dtype=bool), None, SelectionConfig(**config), seed=seed)


@given(azimuth_deg=st.floats(-179.9, 179.9), elevation_deg=st.floats(-80, 80), shift=st.floats(-0.3, 0.3))
def test_angles_are_those_the_cameras_were_made_with_and_ignore_where_they_stand(azimuth_deg, elevation_deg, shift):
    labels = labels_at(azimuth_deg, elevation_deg)
    labels[:, 3] += shift
    azimuth, elevation = angles_deg(labels)
    assert azimuth[0] == pytest.approx(azimuth_deg, abs=1e-3)
    assert elevation[0] == pytest.approx(elevation_deg, abs=1e-3)


def test_without_a_selection_all_images_weigh_the_same():
    assert chosen().tolist() == [1.0] * len(AZIMUTHS)


def test_a_range_of_yaw_keeps_both_sides_and_its_ends():
    assert np.array_equal(chosen(max_yaw_deg=90.0) > 0, np.abs(AZIMUTHS) <= 90)
    assert np.array_equal(chosen(min_yaw_deg=90.0) > 0, np.abs(AZIMUTHS) >= 90)
    assert np.array_equal(chosen(min_yaw_deg=45.0, max_yaw_deg=45.0) > 0, np.abs(AZIMUTHS) == 45)


def test_views_just_beyond_the_profile_stay():
    """Angles that are no true azimuths report a pitch of 180 degrees there, and lose them."""
    assert chosen(np.linspace(86, 94, 81), max_pitch_deg=1.0).all()


def test_an_elevated_view_counts_by_its_azimuth():
    assert chosen([45.0], 19.5, min_yaw_deg=44.9, max_yaw_deg=45.1).all()


def test_pitch_is_limited_on_both_sides():
    assert [chosen([30.0, 150.0], angle, max_pitch_deg=20.0).any() for angle in (-19.0, 20.0)] == [True, True]
    for angle in (-21.0, 21.0):
        with pytest.raises(DataError, match="no image"):
            chosen([30.0, 150.0], angle, max_pitch_deg=20.0)


def test_back_views_are_drawn_more_often():
    weights = chosen(back_repeat=4.0)
    assert np.array_equal(weights, np.where(np.abs(AZIMUTHS) >= 90, 4.0, 1.0))


def test_a_selection_that_leaves_nothing_tells_what_there_is():
    with pytest.raises(DataError, match=r"(?s)yaw in 170 \.\. 180.*yaw +0\.\.22\.5: 2, .*45\.\.67\.5: 1"):
        chosen([0.0, 10.0, -50.0], min_yaw_deg=170.0)


@given(max_size=st.integers(1, 20), seed=st.integers(0, 3))
def test_a_subset_has_its_size_is_the_same_again_and_keeps_to_the_selection(max_size, seed):
    weights = chosen(seed=seed, max_size=max_size, max_yaw_deg=90.0, back_repeat=2.0)
    kept = np.abs(AZIMUTHS) <= 90
    assert np.count_nonzero(weights) == min(max_size, np.count_nonzero(kept))
    assert not weights[~kept].any()
    assert np.array_equal(weights, chosen(seed=seed, max_size=max_size, max_yaw_deg=90.0, back_repeat=2.0))


def test_subsets_of_other_seeds_are_others_and_a_larger_one_holds_the_smaller():
    many = np.linspace(-180, 180, 300)
    small, large = (chosen(many, max_size=size) > 0 for size in (100, 200))
    assert (large & small).sum() == 100
    assert (small != (chosen(many, max_size=100, seed=1) > 0)).any()


def test_images_that_cannot_be_used_weigh_nothing():
    labels = labels_at([0.0, 10.0, 20.0])
    labels[1] = np.nan
    usable = np.array([True, False, True])
    assert select(labels, usable, None, SelectionConfig(), seed=0).tolist() == [1, 0, 1]


def test_without_cameras_only_the_size_can_be_chosen():
    usable = np.array([True, False, True, True])
    assert select(None, usable, None, SelectionConfig(max_size=2), seed=0).sum() == 2
    with pytest.raises(DataError, match="needs cameras"):
        select(None, usable, None, SelectionConfig(min_yaw_deg=1.0), seed=0)


def entry(first, count, weight, name="x"):
    return {"name": name, "first": first, "count": count, "weight": weight}


def test_a_source_has_its_share_whatever_its_size():
    weights = source_weights([entry(0, 8, 0.25), entry(8, 0, 5.0), entry(8, 2, 0.75)], 10, "x")
    assert weights[:8].sum() / weights.sum() == pytest.approx(0.25)
    assert len(set(weights[:8].tolist())) == 1
    assert source_weights(None, 10, "x") is None


def test_sources_and_views_multiply():
    sources = source_weights([entry(0, 1, 0.5), entry(1, len(AZIMUTHS) - 1, 0.5)], len(AZIMUTHS), "x")
    both = select(labels_at(AZIMUTHS), ALL, sources, SelectionConfig(back_repeat=2.0), seed=0)
    assert np.allclose(both, sources * chosen(back_repeat=2.0))


@pytest.mark.parametrize(
    "sources",
    [
        {},
        5,
        "text",
        [5],
        [{}],
        [],
        [entry(0, 9, 1.0)],
        [entry(0, 11, 1.0)],
        [entry(1, 10, 1.0)],
        [entry(0, 5, 1.0), entry(6, 4, 1.0)],
        [entry(0, 10, -1.0)],
        [entry(0, 10, 0.0)],
        [entry(0, 10, math.nan)],
        [entry(0, 10, 10**400)],
        [entry(0, 10, "1")],
        [entry(0, True, 1.0), entry(1, 9, 1.0)],
        [entry(0, -1, 1.0), entry(-1, 11, 1.0)],
        [entry(0, 10**30, 1.0)],
        [entry(0, 10.0, 1.0)],
    ],
)
def test_sources_that_do_not_fit_are_refused_by_name(sources):
    with pytest.raises(DataError, match=r"^f\.json: "):
        source_weights(sources, 10, "f.json")


def test_what_is_told_of_sources_that_do_not_fit_is_short():
    for wrong in (entry(0, 10**4000, 1.0), entry(10**4000, 10, 1.0), entry(0, 10, 10**4000)):
        with pytest.raises(DataError) as caught:
            source_weights([wrong], 10, "f.json")
        assert len(str(caught.value)) < 400


def test_a_source_may_begin_at_a_whole_number_however_it_is_written():
    assert source_weights([entry(0.0, 10, 1.0)], 10, "f.json").sum() == pytest.approx(1)
