# SPDX-License-Identifier: Apache-2.0
"""Whole training steps on a GPU: nothing waits, and optimizer and average do what they do on a CPU."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from configs import resolve
from tests.training.runs import EVERYTHING, make_heads
from torch_utils.ema import update_ema_
from training.adam_config import AdamConfig
from training.optimizer import adam, load_state_tensors, state_tensors
from training.run_folder import RunFolder
from training.schedules import step_values
from training.trainer import Trainer

CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_heads(tmp_path_factory.mktemp("heads"))


@pytest.mark.parametrize(
    "assignments",
    [
        (),
        ("augment.mode=fixed", "augment.p=0.5", "loss.label_noise=0.5", "loop.part=2"),
        ("generator.precision=bf16", "critic.num_half_precision=2", "critic.precision=bf16"),
    ],
)
def test_nothing_in_a_step_waits_for_the_device(
    assignments: tuple[str, ...], heads: tuple[str, str], tmp_path: Path
) -> None:
    data = (f"data.img_data={heads[0]}", f"data.seg_data={heads[1]}", "data.workers=0", "loop.batch=4")
    trainer = Trainer(resolve("debug", [*data, *EVERYTHING, *assignments]), RunFolder(tmp_path), CUDA)
    values = step_values(trainer.config.schedule, trainer.config.generator.renderer.resolution, 0)
    with trainer.loader(0) as loader:
        batches = [next(loader).to(CUDA, non_blocking=True) for _ in range(3)]
    every = trainer.config.loop.batch * trainer.config.loss.r1_every * trainer.config.loss.density_every
    for batch in batches[:2]:  # Operators are loaded, memory and pinned memory are fetched.
        trainer.step(batch, 0, values)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.step(batches[2], every, values)  # All phases are due.
        trainer.step(batches[1], every + trainer.config.loop.batch, values)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for network in (trainer.state.players.generator, trainer.state.players.average):
        assert all(bool(parameter.isfinite().all()) for parameter in network.parameters())


def test_the_fused_optimizer_and_the_average_are_those_of_the_cpu() -> None:
    torch.manual_seed(0)
    here = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(16, 5))
    here[0].to(memory_format=torch.channels_last)
    there = copy.deepcopy(here).to(CUDA)
    averages = [copy.deepcopy(model) for model in (here, there)]
    optimizers = [adam(AdamConfig(lr=0.01), model, 4) for model in (here, there)]
    for number in range(4):
        x = torch.randn(2, 3, 4, 4)
        for model, optimizer, average in zip((here, there), optimizers, averages, strict=True):
            optimizer.zero_grad(set_to_none=True)
            model(x.to(next(model.parameters()).device)).square().sum().backward()
            if number == 1:
                model[3].bias.grad = None  # Not all have a gradient in every phase.
            optimizer.step()
            update_ema_(average, model, 0.9)
        if number == 2:  # As after a resume: from tensors of the host, in their own layout.
            kept = {name: value.cpu().contiguous() for name, value in state_tensors(optimizers[1], there).items()}
            load_state_tensors(optimizers[1], there, kept, "here")
    for one, other in zip((here, averages[0]), (there, averages[1]), strict=True):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(b.cpu(), a, rtol=2e-3, atol=2e-4)
