# SPDX-License-Identifier: Apache-2.0
"""The configuration travels through JSON and keeps its bounds."""

import pytest
from pydantic import ValidationError

from dnnlib.config import from_json, to_json
from training.augment.config import AugmentConfig, TransformsConfig


def test_the_configuration_travels_through_json():
    config = AugmentConfig(mode="adaptive", target=0.7, transforms=TransformsConfig(hue=0.5, noise=1.0))
    assert from_json(AugmentConfig, to_json(config)) == config


@pytest.mark.parametrize("wrong", [{"p": 1.1}, {"target": 1.0}, {"mode": "ada"}, {"transforms": {"hue": -0.1}}])
def test_what_means_nothing_is_refused(wrong):
    with pytest.raises(ValidationError):
        AugmentConfig(**wrong)
