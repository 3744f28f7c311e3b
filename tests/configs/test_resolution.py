# SPDX-License-Identifier: Apache-2.0
"""A system for pictures of another size is the published one of that size, and can be built."""

import pytest
import torch

from configs import CONFIGS, resolve
from configs.resolution import fit_to_data
from dnnlib.config import ConfigError
from dnnlib.config_paths import differences
from training.builder import build_critic, build_generator


def test_panohead_becomes_its_published_sizes() -> None:
    assert [path for path, *_ in differences(fit_to_data(resolve("panohead"), 256), resolve("panohead_256"))] == [
        "name"
    ]
    generator = fit_to_data(resolve("panohead"), 128).generator
    assert (generator.superresolution.in_resolution, generator.superresolution.widths) == (64, (128, 64))
    assert fit_to_data(fit_to_data(resolve("panohead"), 128), 512) == resolve("panohead").model_copy(
        update={"critic": fit_to_data(resolve("panohead"), 512).critic}
    )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256, 512, 1024])
def test_every_configuration_can_be_built_for_every_size(name: str, resolution: int) -> None:
    config = fit_to_data(resolve(name), resolution)
    with torch.device("meta"):
        generator = build_generator(config.generator)
        build_critic(config.critic, resolution=resolution)
    assert generator.img_resolution == resolution
    assert config.generator.renderer.resolution <= config.generator.superresolution.in_resolution


def test_a_configuration_of_the_right_size_stays_as_it_is() -> None:
    assert fit_to_data(resolve("panohead_small"), 64) == resolve("panohead_small")


@pytest.mark.parametrize("resolution", [8, 100, 563])
def test_other_sizes_are_refused_with_a_remedy(resolution: int) -> None:
    with pytest.raises(ConfigError, match=r"powers of two.*dataset_tool.py pack --resolution (16x16|64x64|512x512)"):
        fit_to_data(resolve("panohead"), resolution)
