# SPDX-License-Identifier: Apache-2.0
"""What reaches the networks in training is what reaches them when the generator is called."""

import pytest
import torch
from torch import Tensor

from tests.marks import slow_but
from tests.training.small import labels, small_critic, small_generator
from training.adaptation import AbstractAdaptation
from training.augment.augmenter import Augmenter
from training.augment.config import AugmentConfig
from training.loss_config import LossConfig
from training.losses.kinds import DensityKind
from training.objective import Objective, Part, interleaved
from training.prior import Prior
from training.schedules import StepValues

CPU = torch.device("cpu")


class Marked(AbstractAdaptation):
    """Keeps its sign on the last number of a label, where cameras have a one."""

    def __init__(self, precedes_mapping: bool) -> None:
        super().__init__()
        self.precedes_mapping = precedes_mapping

    def forward(
        self, z: Tensor, c: Tensor, truncation_psi: float = 1.0, truncation_cutoff: int | None = None
    ) -> tuple[Tensor, Tensor]:
        return torch.cat([c[:, :-1], c[:, -1:] + 0.5], dim=1), z[:, :3]


def objective_with(precedes_mapping: bool) -> tuple[Objective, dict[str, list[Tensor]]]:
    """And what its generator's mapping and field are given."""
    G = small_generator().train()
    G.adaptation = Marked(precedes_mapping)
    given: dict[str, list[Tensor]] = {"mapping": [], "field": []}
    mapping, prepare = G.mapping, G.field.prepare
    G.mapping = lambda z, c: given["mapping"].append(c[:, -1]) or mapping(z, c)
    G.field.prepare = lambda codes, noise: given["field"].append(codes["camera"][:, -1]) or prepare(codes, noise)
    sampled = labels(0.1, 1.0, 2.0, 3.0)
    prior = Prior(0, z_dim=8, num_ws=G.num_ws, labels=sampled, weights=[1.0] * 4, background_swap=0.5, style_mixing=0.5)
    augmenter = Augmenter(AugmentConfig(), seed=0, device=CPU)
    config = LossConfig(density=0.25)
    return Objective(G, small_critic(), prior, augmenter, config, seed=0, device=CPU), given


@pytest.mark.parametrize("precedes_mapping", [False, True])
@pytest.mark.parametrize("phase", ["generator_main", "generator_density"])
def test_corrected_conditions_reach_the_field_and_styles_only_if_they_come_first(
    precedes_mapping: bool, phase: str
) -> None:
    objective, given = objective_with(precedes_mapping)
    values = StepValues(blur_sigma=0.0, swap_probability=0.5, density_noise=0.0, raw_resolution=8)
    part = Part(torch.arange(4), 0, 4, values)
    if phase == "generator_main":
        objective.generator_main(part, torch.zeros(()))
    else:
        objective.generator_density(part)
    assert len(given["mapping"]) == (4 if phase == "generator_main" else 2)  # Two codes each, also of backgrounds.
    seen = 1.5 if precedes_mapping else 1.0
    assert all((last == seen).all() for last in given["mapping"])
    assert all((last == 1.5).all() for last in given["field"])


@pytest.mark.parametrize("kind", slow_but(["monotonic-fixed"], ["l1", "monotonic-fixed", "total-variation"]))
def test_all_of_a_step_is_where_the_computation_is(kind: DensityKind) -> None:
    """On the meta device, which takes part in no computation with the host."""
    there = torch.device("meta")
    G, D = small_generator().to(there).train(), small_critic().to(there).train()
    prior = Prior(
        0, z_dim=8, num_ws=G.num_ws, labels=labels(0.1, 1.0), weights=[1.0] * 2, background_swap=0.5, style_mixing=0.5
    )
    augmenter = Augmenter(AugmentConfig(mode="fixed"), seed=0, device=there)
    config = LossConfig(density=0.25, density_kind=kind, label_noise=0.1)
    objective = Objective(G, D, prior, augmenter, config, seed=0, device=there, label_std=torch.ones(25))
    values = StepValues(blur_sigma=1.0, swap_probability=0.5, density_noise=1.0, raw_resolution=8)
    part, p = Part(torch.arange(4), 0, 4, values), torch.zeros((), device=there)
    image = torch.zeros(4, 3, 32, 32, dtype=torch.uint8, device=there)
    reals, c = objective.prepared(image, image[:, :1], values), torch.zeros(4, 25, device=there)
    for loss, *_ in (
        objective.generator_main(part, p),
        objective.generator_density(part),
        objective.critic_fakes(part, p),
        objective.critic_reals(reals, c, part, p),
        objective.critic_r1(reals, c, part, p),
    ):
        loss.backward()
        assert loss.device == there


def test_neighbours_of_the_batch_are_compared() -> None:
    order = interleaved(8, 2)
    groups = {tuple(order[i::4].tolist()) for i in range(4)}  # A critic compares those that are equal modulo 4.
    assert groups == {(0, 1), (2, 3), (4, 5), (6, 7)}
