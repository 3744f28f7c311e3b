# SPDX-License-Identifier: Apache-2.0
"""p follows the critic's signs: which way, how fast, within which bounds, over restarts and ranks."""

import json

import pytest
import torch

from training.augment import probability
from training.augment.config import AugmentConfig
from training.augment.probability import Probability

ADAPTIVE = AugmentConfig(mode="adaptive", target=0.6, ramp_nimg=1000)


def at(p: float, config: AugmentConfig = ADAPTIVE) -> Probability:
    made = Probability(config, "cpu")
    made.p.fill_(p)
    return made


def scores(num_positive: int, num_negative: int) -> torch.Tensor:
    return torch.cat([torch.full((num_positive, 1), 0.3), torch.full((num_negative, 1), -7.0)])


@pytest.mark.parametrize(("num_positive", "change"), [(10, 0.01), (9, 0.01), (8, 0.0), (7, -0.01), (0, -0.01)])
def test_p_moves_towards_the_target_by_images_over_the_ramp(num_positive, change):
    followed = at(0.5)
    followed.observe(scores(num_positive, 10 - num_positive))
    followed.adjust_()
    assert followed.p.item() == pytest.approx(0.5 + change, abs=1e-6)  # The mean sign of 8 against 2 is 0.6.


def test_from_0_to_1_takes_the_images_of_the_ramp_however_often_it_is_adjusted():
    for interval in (10, 50, 200):
        followed = at(0.0)
        for nimg in range(0, 1000, 10):
            assert followed.p.item() <= nimg / 1000 + 1e-6
            followed.observe(scores(10, 0))
            if (nimg + 10) % interval == 0:
                followed.adjust_()
        assert followed.p.item() == pytest.approx(1, abs=1e-5)


def test_p_stays_between_0_and_1():
    high, low = at(0.995), at(0.005)
    high.observe(scores(30, 0))
    low.observe(scores(0, 30))
    for followed, bound in ((high, 1), (low, 0)):
        followed.adjust_()
        assert followed.p.item() == bound


def test_nothing_observed_changes_nothing():
    followed = at(0.4)
    followed.adjust_()
    assert followed.p.equal(torch.tensor(0.4))


def test_scores_that_are_no_numbers_do_not_spoil_p():
    followed = at(0.5)
    followed.observe(torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0]))
    followed.adjust_()
    assert followed.p.item() == pytest.approx(0.496)


def test_each_adjustment_forgets_what_it_was_made_from():
    followed = at(0.5)
    followed.observe(scores(100, 0))
    followed.adjust_()
    followed.observe(scores(0, 10))
    followed.adjust_()
    assert followed.p.item() == pytest.approx(0.59)


def test_fixed_p_is_fixed():
    fixed = Probability(AugmentConfig(mode="fixed", p=0.3), "cpu")
    fixed.observe(scores(100, 0))
    fixed.adjust_()
    assert fixed.p.equal(torch.tensor(0.3))


def test_a_restart_between_two_adjustments_changes_no_bit():
    made = torch.Generator().manual_seed(0)
    batches = [torch.randn(7, 1, generator=made) + 0.8 for _ in range(60)]
    for stop in (13, 30, 44):
        through, stopped = at(0.123), at(0.123)
        for i, batch in enumerate(batches):
            if i == stop:
                state = json.loads(json.dumps(stopped.state_dict()))
                stopped = Probability(ADAPTIVE, "cpu")
                stopped.load_state_dict(state)
            for followed in (through, stopped):
                followed.observe(batch)
                if i % 4 == 3:
                    followed.adjust_()
        assert stopped.p.equal(through.p)
        assert stopped.state_dict() == through.state_dict()


def test_the_split_of_a_batch_changes_no_bit():
    whole, parts = at(0.2), at(0.2)
    batch = torch.randn(12, 1, generator=torch.Generator().manual_seed(1))
    whole.observe(batch)
    for part in batch.split(5):
        parts.observe(part)
    whole.adjust_()
    parts.adjust_()
    assert whole.p.equal(parts.p)


def test_ranks_agree_and_their_state_holds_the_signs_of_all(monkeypatch):
    ranks = [at(0.5), at(0.5)]
    ranks[0].observe(scores(6, 0))
    ranks[1].observe(scores(0, 10))
    total = ranks[0].signs + ranks[1].signs
    monkeypatch.setattr(probability.distributed, "sum_", lambda tensors: [tensor.copy_(total) for tensor in tensors])
    assert [rank.state_dict() for rank in ranks] == [{"p": 0.5, "signs": [-4.0, 16.0]}] * 2
    monkeypatch.setattr(probability.distributed, "is_main", lambda: False)
    other = at(0.0)
    other.load_state_dict(ranks[0].state_dict())
    assert other.signs.tolist() == [0, 0]  # The main rank has them.
    assert other.p.item() == 0.5
    for rank in ranks:
        rank.adjust_()
        assert rank.p.item() == pytest.approx(0.484)
