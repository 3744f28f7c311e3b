# SPDX-License-Identifier: Apache-2.0
import itertools
import time
from collections import Counter

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from torch_utils.sampler import InfiniteSampler, cumulative_weights, items_at, share


def first_items(count, **settings):
    return list(itertools.islice(InfiniteSampler(**settings), count))


@settings(max_examples=60)
@given(size=st.integers(1, 300), seed=st.integers(0, 2**40), epoch=st.integers(0, 2**40))
def test_every_epoch_is_a_permutation(size, seed, epoch):
    items = items_at(torch.arange(epoch * size, (epoch + 1) * size), size, seed)
    assert sorted(items.tolist()) == list(range(size))


def test_a_large_epoch_is_a_permutation():
    size = 20_003
    assert items_at(torch.arange(size), size, 0).sort().values.equal(torch.arange(size))


def test_epochs_and_seeds_differ():
    orders = [items_at(torch.arange(64) + 64 * epoch, 64, seed) for epoch in range(4) for seed in range(4)]
    assert len({tuple(order.tolist()) for order in orders}) == 16


@pytest.mark.parametrize("size", [3, 4, 5])
def test_all_orders_of_a_few_items_are_equally_likely(size):
    orders = items_at(torch.arange(12_000 * size), size, 7).view(-1, size)
    _, counts = orders.unique(dim=0, return_counts=True)
    assert len(counts) == {3: 6, 4: 24, 5: 120}[size]
    assert scipy.stats.chisquare(counts.numpy()).pvalue > 1e-4


def test_an_order_has_no_memory_of_the_index():
    order = items_at(torch.arange(20_000), 20_000, 3).double()
    lagged = torch.corrcoef(torch.stack([order, order.roll(1), torch.arange(20_000).double()]))
    assert (lagged - torch.eye(3)).abs().max() < 0.03


@settings(max_examples=30)
@given(size=st.integers(1, 50), stop=st.integers(0, 10_000), batch=st.integers(1, 40))
def test_a_restart_goes_on_exactly_where_the_run_stopped(size, stop, batch):
    through = items_at(torch.arange(stop + 100), size, 0)[stop:].tolist()
    assert first_items(100, size=size, seed=0, batch=batch, start_nimg=stop) == through


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@pytest.mark.parametrize("weights", [None, [1.0, 0, 2, 3, 1, 1, 1]])
def test_ranks_together_draw_what_one_process_draws(world_size, weights):
    batch, num_batches = 12, 400  # Past the block that is worked out at a time.
    settings = {"size": 7, "seed": 5, "batch": batch, "start_nimg": 24, "weights": weights}
    alone = torch.tensor(first_items(batch * num_batches, **settings)).view(num_batches, batch)
    part = batch // world_size
    ranks = [
        torch.tensor(first_items(part * num_batches, rank=rank, world_size=world_size, **settings)).view(-1, part)
        for rank in range(world_size)
    ]
    assert torch.cat(ranks, dim=1).equal(alone)


def test_weights_are_honoured():
    weights = torch.tensor([1.0, 0, 5, 0.5, 2.5, 0])
    items = items_at(torch.arange(60_000), 6, 0, cumulative_weights(weights, 6))
    counts = torch.bincount(items, minlength=6)
    assert counts[weights == 0].sum() == 0
    expected = weights / weights.sum() * 60_000
    # Each of the 10,000 epochs is off by less than one, by chance up or down.
    assert (counts - expected).abs().max() < 4 * 10_000**0.5


def test_weighted_draws_of_an_epoch_are_stratified():
    weights = torch.rand(50, generator=torch.Generator().manual_seed(0))
    expected = weights.double() / weights.double().sum() * 50
    cumulative = cumulative_weights(weights, 50)
    for epoch in range(20):
        counts = torch.bincount(items_at(torch.arange(50) + 50 * epoch, 50, 1, cumulative), minlength=50)
        assert (counts >= expected.floor() - 1).all()
        assert (counts <= expected.ceil() + 1).all()


def test_which_of_two_rare_items_comes_is_chance():
    cumulative = cumulative_weights([0.5, 0.5, 3.0], 3)
    counts = Counter(items_at(torch.arange(6000), 3, 0, cumulative).tolist())
    assert scipy.stats.chisquare([counts[0], counts[1], counts[2] / 6]).pvalue > 1e-4


@pytest.mark.parametrize("weight", [1.0, 0.1, 1 / 3, 1e-30, 1e30])
def test_equal_weights_are_no_weights(weight):
    positions = torch.arange(3000)
    assert items_at(positions, 1000, 3, cumulative_weights([weight] * 1000, 1000)).equal(items_at(positions, 1000, 3))


def test_a_million_items_start_at_once():
    start = time.process_time()
    items = first_items(32, size=1_000_000, seed=0, batch=32, start_nimg=25_000_000)
    assert time.process_time() - start < 1
    assert len(set(items)) == 32


def test_a_data_loader_takes_it():
    sampler = InfiniteSampler(10, seed=0, batch=8, rank=1, world_size=2)
    batches = itertools.islice(DataLoader(torch.arange(10), batch_size=4, sampler=sampler), 5)
    assert torch.cat(list(batches)).tolist() == first_items(20, size=10, seed=0, batch=8, rank=1, world_size=2)


def test_shares_cover_the_batch_in_order():
    assert [list(share(6, rank, 3)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(("batch", "advice"), [(32, "30 or 33"), (2, "batch of 3"), (0, "batch of 3")])
def test_a_batch_that_cannot_be_shared_is_refused_with_one_that_can(batch, advice):
    with pytest.raises(ValueError, match=advice):
        share(batch, 0, 3)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"3 items need 3 sampling weights.*\[2\]"),
        ([1.0, -2.0, 1.0], "weight 1 is -2"),
        ([1.0, 2.0, float("nan")], "weight 2 is nan"),
        ([0.0, 0.0, 0.0], "at least one must be above zero"),
        ([1e308, 1e308, 1e308], "the sum finite"),
    ],
)
def test_impossible_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        InfiniteSampler(3, seed=0, batch=1, weights=weights)


def test_an_empty_dataset_is_refused():
    with pytest.raises(ValueError, match="empty"):
        InfiniteSampler(0, seed=0, batch=1)


def test_a_negative_start_is_refused():
    with pytest.raises(ValueError, match="start_nimg is -1"):
        InfiniteSampler(3, seed=0, batch=1, start_nimg=-1)
