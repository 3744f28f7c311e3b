# SPDX-License-Identifier: Apache-2.0
import itertools
from collections.abc import Iterator

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torch_utils import ops, rng

MASK = 0xFFFFFFFF
DRAWS = {
    "words": rng.words,
    "uniform": rng.uniform,
    "normal": rng.normal,
    "integers": lambda *args: rng.integers(*args, high=1000),
}


@pytest.fixture(params=["native", "reference"], autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test twice: the words of the kernel, and those of the reference."""
    if request.param == "native":
        request.getfixturevalue("native_cpu")
    with ops.forced(request.param):
        yield


def philox_of_one_counter(counter, key):
    """The paper's round, ten times, in Python's unbounded integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key & MASK, key >> 32
    for _ in range(10):
        first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (second >> 32) ^ c1 ^ k0, second & MASK, (first >> 32) ^ c3 ^ k1, first & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return [c0, c1, c2, c3]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # The known answers that the authors publish with Random123.
        ([0] * 4, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([MASK] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0_A4093822,
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, expected):
    counter = torch.tensor(counter)[:, None]
    assert rng.philox(counter, key)[:, 0].tolist() == expected
    assert philox_of_one_counter(counter[:, 0].tolist(), key) == expected


word = st.integers(0, MASK)


@settings(max_examples=50)
@given(counters=st.lists(st.tuples(word, word, word, word), max_size=5), key=st.integers(0, 2**64 - 1))
def test_philox_of_many_counters_is_philox_of_each(counters, key):
    stacked = torch.tensor(counters, dtype=torch.int64).reshape(-1, 4).T
    assert rng.philox(stacked, key).T.tolist() == [philox_of_one_counter(c, key) for c in counters]


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (1, 64, 64)])
def test_an_item_is_the_same_in_every_batch_and_order(name, shape):
    draw = DRAWS[name]
    indices = torch.tensor([5, 0, 2**40 + 3, 17, 2**32 + 5, 1])
    together = draw(3, "z", indices, shape)
    assert together.shape == (6, *shape)
    for place, index in enumerate(indices):
        assert together[place].equal(draw(3, "z", index[None], shape)[0])
    assert together.flip(0).equal(draw(3, "z", indices.flip(0), shape))


@pytest.mark.parametrize("name", DRAWS)
def test_a_longer_draw_begins_with_the_shorter_one(name):
    indices = torch.arange(3)
    assert DRAWS[name](0, "z", indices, (9,)).equal(DRAWS[name](0, "z", indices, (50,))[:, :9])


@pytest.mark.parametrize("name", DRAWS)
def test_nothing_can_be_drawn(name):
    assert DRAWS[name](0, "z", torch.arange(0), (4,)).shape == (0, 4)
    assert DRAWS[name](0, "z", torch.arange(4), (0,)).shape == (4, 0)


def test_seed_purpose_and_index_all_matter():
    variants = [
        rng.words(s, p, torch.tensor([i]), (4,)) for s, p, i in itertools.product((0, 1), ("z", "c"), (0, 2**32))
    ]
    assert len({tuple(v.flatten().tolist()) for v in variants}) == len(variants)
    # The parts of a key do not run into each other.
    assert rng.key_of(1, "2z") != rng.key_of(12, "z")


def test_uniforms_are_uniform_within_and_across_items():
    values = rng.uniform(0, "test", torch.arange(2000), (50,))
    assert values.min() >= 0
    assert values.max() < 1
    for sample in (values.flatten(), values[:, 0], values[0]):
        assert scipy.stats.kstest(sample.double().numpy(), "uniform").pvalue > 1e-4


def test_normals_are_normal_with_their_tails_and_uncorrelated():
    values = rng.normal(0, "test", torch.arange(4000), (50,)).double()
    assert scipy.stats.kstest(values.flatten().numpy(), "norm").pvalue > 1e-4
    assert (values.abs() > 3).double().mean() == pytest.approx(2 * scipy.stats.norm.sf(3), rel=0.1)
    # The two of a Box-Muller pair, neighbours in an item, neighbouring items, and other purposes.
    others = [values[:, 1::2], values.roll(1, 1)[:, ::2], values.roll(1, 0)[:, ::2]]
    others.append(rng.normal(0, "other", torch.arange(4000), (25,)).double())
    for other in others:
        assert abs((values[:, ::2] * other).mean()) < 5 / (4000 * 25) ** 0.5


def test_normals_are_finite_at_the_extreme_words(monkeypatch):
    extremes = torch.tensor([[0, 0], [0, MASK], [MASK, 0], [MASK, MASK]])
    monkeypatch.setattr(rng, "words", lambda *_: extremes[:, None])
    values = rng.normal(0, "z", torch.arange(4), (2,))
    assert values.isfinite().all()
    assert values.abs().max() == pytest.approx(6.76, abs=0.01)


@pytest.mark.parametrize("high", [1, 2, 7, 1000])
def test_integers_are_uniform(high):
    values = rng.integers(0, "test", torch.arange(5000), (10,), high=high)
    counts = torch.bincount(values.flatten(), minlength=high)
    assert len(counts) == high
    assert high == 1 or scipy.stats.chisquare(counts.numpy()).pvalue > 1e-4


def test_integers_reach_the_whole_of_a_large_range():
    values = rng.integers(0, "test", torch.arange(5000), (10,), high=2**31).double() / 2**31
    assert scipy.stats.kstest(values.flatten().numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("high", [0, -1, 2**31 + 1])
def test_integers_refuse_an_impossible_range(high):
    with pytest.raises(ValueError, match=r"between 1 and 2\^31"):
        rng.integers(0, "z", torch.arange(2), high=high)


@pytest.mark.parametrize("batch", [2, 3, 8, 32])
def test_partners_pair_every_image_with_another(batch):
    start = 12345 * batch
    indices = torch.arange(start, start + batch)
    partners = rng.partner(0, "swap", indices, start, batch)
    assert partners.sort().values.equal(indices)
    assert (partners != indices).all()
    for part in indices.split(max(batch // 3, 1)):
        assert rng.partner(0, "swap", part, start, batch).equal(partners[part - start])


def test_partners_change_from_batch_to_batch_and_favour_nobody():
    shifts = torch.tensor([rng.partner(0, "swap", torch.tensor([8 * b]), 8 * b, 8).item() - 8 * b for b in range(700)])
    counts = torch.bincount(shifts, minlength=8)
    assert counts[0] == 0
    assert scipy.stats.chisquare(counts[1:].numpy()).pvalue > 1e-4


def test_an_image_alone_is_its_own_partner():
    assert rng.partner(0, "swap", torch.tensor([7]), 7, 1).tolist() == [7]


def test_generators_repeat_and_differ():
    first = torch.rand(5, generator=rng.generator(0, "augment", 3))
    assert first.equal(torch.rand(5, generator=rng.generator(0, "augment", 3)))
    assert not first.equal(torch.rand(5, generator=rng.generator(0, "augment", 4)))
