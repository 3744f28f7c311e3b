# SPDX-License-Identifier: Apache-2.0
"""What changes during a run: where it starts, where it ends, and that it is straight in between."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnnlib.config_types import spec_of
from training.schedule_config import ScheduleConfig
from training.schedules import StepValues, ramp, step_values

PANOHEAD = ScheduleConfig(raw_resolution=128)


@pytest.mark.parametrize(
    ("cur_nimg", "expected"),
    [  # Blur, probability of swapping, density noise, raw resolution.
        (0, (10, 1, 1, 64)),
        (50_000, (7.5, 0.985, 0.75, 67)),
        (500_000, (0, 0.85, 0, 96)),
        (1_000_000, (0, 0.7, 0, 128)),
        (25_000_000, (0, 0.7, 0, 128)),
    ],
)
def test_the_beginning_the_middle_and_the_end_of_a_run(cur_nimg: int, expected: tuple[float, ...]) -> None:
    assert dataclasses.astuple(step_values(PANOHEAD, 64, cur_nimg)) == pytest.approx(expected, abs=1e-12)


def test_without_a_final_resolution_it_stays() -> None:
    assert {step_values(ScheduleConfig(), 64, n).raw_resolution for n in (0, 10**5, 10**8)} == {64}


@pytest.mark.parametrize("cur_nimg", [0, 1, 10**9])
def test_a_ramp_without_length_is_at_its_end_at_once(cur_nimg: int) -> None:
    lengths = {name: 0 for name in ScheduleConfig.model_fields if name.endswith("_nimg")}
    assert len(lengths) == 4
    values = step_values(ScheduleConfig(raw_resolution=128, **lengths), 64, cur_nimg)
    assert values == StepValues(0.0, 0.7, 0.0, 128)


number = st.floats(-1e3, 1e3)


@settings(max_examples=200)
@given(start=number, end=number, length=st.integers(0, 10**8), nimg=st.integers(0, 2 * 10**8))
def test_a_ramp_is_straight_and_between_its_ends(start: float, end: float, length: int, nimg: int) -> None:
    value = ramp(start, end, length, nimg)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9
    if nimg >= length:
        assert value == end
    elif nimg == 0:
        assert value == start
    else:
        assert value == pytest.approx(start + (end - start) * nimg / length, abs=1e-9)


def test_values_cannot_be_changed_by_those_they_are_handed_to() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        step_values(PANOHEAD, 64, 0).blur_sigma = 0.0


def test_an_image_count_below_zero_is_an_error() -> None:
    with pytest.raises(AssertionError, match="cur_nimg is -1"):
        step_values(PANOHEAD, 64, -1)


def test_every_field_is_described() -> None:
    assert all(field.description and spec_of(field) for field in ScheduleConfig.model_fields.values())
