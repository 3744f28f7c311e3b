# SPDX-License-Identifier: Apache-2.0
"""Frozen layers of a critic, and noise on the cameras it is told."""

import pytest
import torch
from torch import Tensor

from configs import resolve
from training.augment.augmenter import Augmenter
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.objective import Objective, Part
from training.prior import Prior
from training.run_config import RunConfig
from training.schedules import step_values
from training.step import Players, Step
from training.trainer import new_state
from training.types import Batch

CPU = torch.device("cpu")
BATCH = 4


def labels() -> Tensor:
    h = torch.pi / 2 + torch.linspace(-1, 1, 16)
    return label_from_camera(camera_on_sphere(h, torch.full((16,), torch.pi / 2))).float()


def objective_of(config: RunConfig, players: Players) -> Objective:
    G = players.generator
    swaps = {"background_swap": config.loss.background_swap, "style_mixing": 0.0}
    prior = Prior(0, z_dim=G.z_dim, num_ws=G.num_ws, labels=labels(), weights=[1.0] * 16, **swaps)
    augmenter = Augmenter(config.augment, seed=0, device=CPU)
    std = labels().std(dim=0)
    return Objective(G, players.critic, prior, augmenter, config.loss, seed=0, device=CPU, label_std=std)


def scores(config: RunConfig, players: Players, indices: Tensor) -> Tensor:
    values = step_values(config.schedule, config.generator.renderer.resolution, 10**7)
    part = Part(indices, 0, BATCH, values)
    with torch.no_grad():
        return objective_of(config, players).critic_fakes(part, torch.zeros(()))[1]["scores/fake"]


@pytest.fixture(scope="module")
def players() -> Players:
    return new_state(resolve("debug"), CPU).players


@pytest.mark.parametrize("count", [0, 1, 4, 10])
def test_frozen_layers_keep_their_weights_and_the_others_learn(count: int) -> None:
    config = resolve("debug", ["loss.r1_every=1"])
    state = new_state(config, CPU)
    critic = state.players.critic
    before = {name: x.clone() for name, x in critic.named_parameters()}
    objective = objective_of(config, state.players)
    step = Step(
        state.players,
        objective,
        state.augmentation,
        state.stats,
        config.ema,
        batch=BATCH,
        part=BATCH,
        frozen_critic_layers=count,
    )
    image, mask = torch.zeros(BATCH, 3, 32, 32, dtype=torch.uint8), torch.zeros(BATCH, 1, 32, 32, dtype=torch.uint8)
    batch = Batch(image + 100, mask + 255, {"camera": labels()[:BATCH]}, torch.arange(BATCH))
    step(batch, 0, step_values(config.schedule, 16, 10**7))
    frozen = {id(x) for layer in critic.layers[:count] for x in layer.parameters()}
    for name, x in critic.named_parameters():
        assert torch.equal(x, before[name]) == (id(x) in frozen), name


def test_layers_are_counted_from_the_picture_on(players: Players) -> None:
    critic = players.critic
    first = critic.tower.blocks[0]
    assert critic.layers[:5] == [first.from_image, first.conv0, first.conv1, first.skip, critic.tower.blocks[1].conv0]
    assert len(critic.layers) == 1 + 3 * len(critic.tower.blocks)


def test_label_noise_is_that_of_the_image_however_the_batch_is_split(players: Players) -> None:
    noisy = resolve("debug", ["loss.label_noise=1"])
    whole = scores(noisy, players, torch.arange(BATCH))
    parts = torch.cat([scores(noisy, players, torch.arange(start, start + 2)) for start in (0, 2)])
    torch.testing.assert_close(parts, whole)
    assert (whole - scores(resolve("debug"), players, torch.arange(BATCH))).abs().min() > 0


def test_label_noise_has_the_deviation_of_the_labels_and_leaves_the_labels_alone(players: Players) -> None:
    objective = objective_of(resolve("debug", ["loss.label_noise=0.5"]), players)
    c = labels()[:1].expand(20_000, -1).contiguous()
    noisy = objective._with_noise(c, torch.arange(len(c)), "test")
    torch.testing.assert_close((noisy - c).std(dim=0), 0.5 * labels().std(dim=0), rtol=0.03, atol=1e-6)
    assert (c == labels()[:1]).all()
