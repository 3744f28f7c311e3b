# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from benchmarks import stages
from benchmarks.workloads.pictures import generator
from training.portraits.seeds import z_of_seeds
from training.portraits.trajectories import moving


@pytest.mark.slow
def test_stages_add_up_to_a_picture_and_leave_the_generator_as_it_was() -> None:
    G = generator("panohead_debug", "cpu")

    def picture() -> torch.Tensor:
        with torch.no_grad():
            return G(z_of_seeds([0], G.z_dim), moving(G, "Head", 16)[:1])["image"]

    before = picture()
    *rows, speed = stages.measure(G, 16, "cpu", rounds=1)
    assert [row["stage"] for row in rows] == [*stages.stages(G), "the rest"]
    assert all(row["milliseconds"] > 0 for row in rows)
    assert min(speed.values()) > 0
    assert torch.equal(picture(), before)
    assert "| **all** |" in stages.table([*rows, speed])


def test_a_floor_is_the_longer_of_arithmetic_and_memory() -> None:
    rates = stages.Rates(gflop_per_s=100.0, gbyte_per_s=10.0)
    assert stages.Load(gflop=1.0, gbyte=0.01).floor_ms(rates) == pytest.approx(10.0)
    assert stages.Load(gflop=0.01, gbyte=1.0).floor_ms(rates) == pytest.approx(100.0)


def test_arithmetic_of_rays_goes_with_their_number() -> None:
    G = generator("panohead_debug", "cpu")
    few, many = stages.loads(G, 8), stages.loads(G, 16)
    assert many["rays"].gflop == pytest.approx(4 * few["rays"].gflop)
    assert many["planes"] == few["planes"]
