# SPDX-License-Identifier: Apache-2.0
"""The weights of a run as data: described, typed, and of the kinds that the losses know."""

import typing

import pytest

from dnnlib.config import ConfigError, from_json, to_json
from dnnlib.config_types import spec_of
from training.loss_config import LossConfig
from training.losses.density import DensityKind


def test_every_field_is_described() -> None:
    assert all(field.description and spec_of(field) for field in LossConfig.model_fields.values())


@pytest.mark.parametrize("kind", typing.get_args(DensityKind))
def test_every_kind_of_density_can_be_chosen_and_written_down(kind: str) -> None:
    config = LossConfig(density=0.25, density_kind=kind)
    assert from_json(LossConfig, to_json(config)) == config


@pytest.mark.parametrize(
    "text", ['{"density_kind": "l1-alt"}', '{"gamma": -1}', '{"r1_every": 0}', '{"background_swap": 1.5}']
)
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected"):
        from_json(LossConfig, text)
