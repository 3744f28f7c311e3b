# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from training.adam_config import AdamConfig
from training.optimizer import adam, load_state_tensors, state_tensors


@pytest.mark.parametrize(("interval", "ratio"), [(None, 1), (16, 16 / 17), (4, 4 / 5), (1, 1 / 2)])
def test_a_lazy_term_adds_steps_and_all_steps_together_do_the_same(interval: int | None, ratio: float) -> None:
    """Also one that is added in every step: each update of a player is then two."""
    group = adam(AdamConfig(lr=0.002, beta1=0.5, beta2=0.99), nn.Linear(2, 2), interval).param_groups[0]
    assert group["lr"] == pytest.approx(0.002 * ratio)
    assert group["betas"] == pytest.approx((0.5**ratio, 0.99**ratio))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_restored_state_goes_on_the_same_however_parameters_lie_in_memory(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    image = torch.randn(2, 3, 8, 8)
    going, stopped = (nn.Conv2d(3, 4, 3).to(memory_format=layout) for _ in range(2))
    optimizers = [adam(AdamConfig(lr=0.1), module, None) for module in (going, stopped)]

    def step(module: nn.Module, optimizer: torch.optim.Adam) -> None:
        optimizer.zero_grad()
        module(image).square().sum().backward()
        optimizer.step()

    step(going, optimizers[0])
    stopped.load_state_dict(going.state_dict())
    saved = {name: tensor.contiguous() for name, tensor in state_tensors(optimizers[0], going).items()}
    load_state_tensors(optimizers[1], stopped, saved, "a file")
    for module, optimizer in zip((going, stopped), optimizers, strict=True):
        step(module, optimizer)
    torch.testing.assert_close(stopped.weight, going.weight, rtol=0, atol=0)
