# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from torch import nn

from torch_utils.ema import ema_beta, update_ema_


def model_and_average():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1))
    average = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            tensor.add_(torch.randn(tensor.shape).mul(10).to(tensor))
    return model, average


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 0.9977, 1.0])
def test_one_fused_update_has_the_bits_of_a_loop_over_tensors(beta):
    model, average = model_and_average()
    expected = copy.deepcopy(average)
    with torch.no_grad():
        for mean, value in zip(expected.parameters(), model.parameters(), strict=True):
            mean.lerp_(value, 1 - beta)
        for mean, value in zip(expected.buffers(), model.buffers(), strict=True):
            mean.copy_(value)
    update_ema_(average, model, beta)
    for name, tensor in expected.state_dict().items():
        assert tensor.equal(average.state_dict()[name]), name


def test_the_model_is_not_touched_and_nothing_is_recorded():
    model, average = model_and_average()
    before = copy.deepcopy(model.state_dict())
    update_ema_(average, model, 0.5)
    assert all(before[name].equal(tensor) for name, tensor in model.state_dict().items())
    assert all(p.grad_fn is None and p.requires_grad for p in average.parameters())


def test_the_ends_are_all_or_nothing():
    model, average = model_and_average()
    before = copy.deepcopy(average)
    update_ema_(average, model, 1.0)
    assert all(a.equal(b) for a, b in zip(before.parameters(), average.parameters(), strict=True))
    update_ema_(average, model, 0.0)
    assert all(a.equal(b) for a, b in zip(model.parameters(), average.parameters(), strict=True))


def test_the_half_life_is_counted_in_images_whatever_the_batch():
    for batch in (1, 32, 500):
        kept = ema_beta(batch, ema_nimg=10_000, cur_nimg=10**9) ** (10_000 / batch)
        assert kept == pytest.approx(0.5)


def test_early_the_half_life_is_a_fraction_of_the_images_seen():
    assert ema_beta(32, 10_000, cur_nimg=0) == 0
    assert ema_beta(32, 10_000, cur_nimg=640) == pytest.approx(0.5)
    assert ema_beta(32, 10_000, cur_nimg=640, rampup=None) == ema_beta(32, 10_000, cur_nimg=10**9)


def test_a_float32_average_of_a_bfloat16_model_keeps_what_bfloat16_would_round_away():
    model = nn.Linear(4, 4).bfloat16()
    average = copy.deepcopy(model).float()
    with torch.no_grad():
        model.weight.fill_(1)
        average.weight.fill_(0)
    for _ in range(1000):
        update_ema_(average, model, 0.999)
    assert average.weight.dtype == torch.float32
    torch.testing.assert_close(average.weight, torch.full((4, 4), 1 - 0.999**1000))


def test_integer_parameters_are_copied():
    model, average = nn.Module(), nn.Module()
    model.steps = nn.Parameter(torch.tensor([7]), requires_grad=False)
    average.steps = nn.Parameter(torch.tensor([3]), requires_grad=False)
    update_ema_(average, model, 0.5)
    assert average.steps.item() == 7


def test_a_module_without_tensors_is_no_problem():
    update_ema_(nn.ReLU(), nn.ReLU(), 0.5)


def test_a_buffer_that_only_one_side_has_is_named():
    model, average = model_and_average()
    model.register_buffer("label_std", torch.ones(25))
    with pytest.raises(ValueError, match="buffer 'label_std' is in only one"):
        update_ema_(average, model, 0.5)


def test_a_parameter_of_another_shape_is_named_with_both_shapes():
    with pytest.raises(
        ValueError, match=r"parameter 'weight' has shape \[2, 3\] in the model, \[2, 4\] in the average"
    ):
        update_ema_(nn.Linear(4, 2), nn.Linear(3, 2), 0.5)
