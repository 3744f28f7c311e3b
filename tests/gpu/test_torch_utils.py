# SPDX-License-Identifier: Apache-2.0
"""Random numbers, averages and statistics on a GPU: the same as on the CPU."""

import copy

import pytest
import torch
from torch import nn

from torch_utils import ops, rng
from torch_utils.ema import update_ema_
from torch_utils.stats import Collector

DEVICE = "cuda"


@pytest.mark.parametrize("path", ["native", "reference"])
@pytest.mark.parametrize("draw", [rng.words, rng.uniform], ids=["words", "uniform"])
def test_random_bits_do_not_depend_on_the_device(draw, path):
    indices = torch.arange(1000) * 2**30 - 2**35
    with ops.forced("reference"):
        expected = [draw(0, "z", indices, (count,)) for count in (1, 6, 33, 64)]
    with ops.forced(path):
        assert all(draw(0, "z", indices.to(DEVICE), e.shape[1:]).cpu().equal(e) for e in expected)


def test_random_normals_agree_to_rounding():
    indices = torch.arange(1000)
    there = rng.normal(0, "z", indices.to(DEVICE), (33,)).cpu()
    torch.testing.assert_close(there, rng.normal(0, "z", indices, (33,)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9977, 1.0])
def test_averages_agree_to_rounding(beta):
    torch.manual_seed(0)
    model, average = (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)) for _ in range(2))
    there_model, there = copy.deepcopy(model).to(DEVICE), copy.deepcopy(average).to(DEVICE)
    update_ema_(average, model, beta)
    update_ema_(there, there_model, beta)
    for name, tensor in average.state_dict().items():
        torch.testing.assert_close(there.state_dict()[name].cpu(), tensor)


def test_statistics_are_those_of_all_values_at_once():
    parts = [torch.randn(shape, device=DEVICE) * 3 + 100 for shape in ((), (5,), (4, 1, 7), (0,))]
    collector = Collector(DEVICE)
    for part in parts:
        collector.report("loss", part)
    everything = torch.cat([part.flatten() for part in parts]).double().cpu()
    moments = collector.collect()["loss"]
    assert moments.num == len(everything)
    assert moments.mean == pytest.approx(everything.mean().item(), rel=1e-12)
    assert moments.std == pytest.approx(everything.std(correction=0).item(), rel=1e-8)
