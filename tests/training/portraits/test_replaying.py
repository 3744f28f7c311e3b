# SPDX-License-Identifier: Apache-2.0
"""Films that are replayed show what they show otherwise; here the GPU is a pretended one (fake_graph.py)."""

import copy

import numpy as np
import pytest
import torch

from tests.torch_utils import fake_graph
from tests.training.small import codes, labels, small_generator
from training.generator import Generator
from training.portraits.filming import frames
from training.portraits.heads import Head
from training.portraits.paths import VideoPath, tracks_in_grid
from training.portraits.replaying import STAGES, replayed
from training.portraits.trajectories import moving


@pytest.fixture(scope="module")
def G() -> Generator:  # noqa: N802
    return small_generator()


@pytest.fixture(autouse=True)
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[fake_graph.FakeGraph]:
    return fake_graph.install(monkeypatch)


def film(G: Generator, keyframes: list[int], together: int) -> list[np.ndarray]:
    with torch.no_grad():
        ws = G.mapping(codes(2), labels(0.0, 0.0))
    heads = [Head(f"head{i}", {}, ws[i : i + 1]) for i in range(2)]
    path = VideoPath(moving(G, "Head", 7), tracks_in_grid(heads, [keyframes]), columns=1)
    return list(frames(G, path, ("image", "depth"), together=together))


@pytest.mark.parametrize(
    ("keyframes", "together", "replays"),
    [
        ([0], 1, {"expose": 6, "develop": 6}),
        ([0], 3, {"expose": 1, "develop": 1}),  # Of 3, 3, and 1 frames.
        ([0, 1], 1, {"planes": 6, "backdrop": 6, "expose": 6, "develop": 6}),
    ],
)
def test_a_film_shows_the_same(
    G: Generator,
    keyframes: list[int],
    together: int,
    replays: dict[str, int],
    graphs: list[fake_graph.FakeGraph],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replayed_film = film(G, keyframes, together)
    assert sorted(graph.num_replays for graph in graphs) == sorted(replays.values())
    with monkeypatch.context() as plain:
        plain.setattr("torch_utils.cuda_graph.can_record", lambda tensors: False)
        plain_film = film(G, keyframes, together)
    assert all(np.array_equal(one, other) for one, other in zip(replayed_film, plain_film, strict=True))
    assert not np.array_equal(replayed_film[0], replayed_film[3])


def test_a_generator_is_as_it_was_afterwards(G: Generator) -> None:
    before = dict(vars(G))
    with replayed(G) as outer, replayed(G) as inner:
        assert inner == outer
        assert set(vars(G)) - set(before) == set(STAGES)
    assert vars(G).keys() == before.keys()
    with pytest.raises(ValueError, match="stop"), replayed(G):
        raise ValueError("stop")
    assert vars(G).keys() == before.keys()
    assert copy.deepcopy(G).state_dict().keys() == G.state_dict().keys()


@torch.no_grad()
def test_the_first_call_of_a_kind_is_checked_like_any_other(G: Generator) -> None:
    ws, c = G.mapping(codes(1), labels(0.0)), labels(0.0)
    with replayed(G), pytest.raises(ValueError, match="not finite"):
        G.expose(ws, c * torch.nan)


@torch.no_grad()
def test_pictures_of_new_weights_are_new(G: Generator) -> None:
    ws, c = G.mapping(codes(1), labels(0.0)), labels(0.0)
    with replayed(G) as recorded:
        first = [G.synthesis(ws, c)["image"] for _ in range(3)][-1]
        assert recorded["expose"].is_recorded
        weight = G.post.superresolution.block1.to_image.bias
        weight.add_(1.0)
        second = G.synthesis(ws, c)["image"]
    weight.sub_(1.0)
    torch.testing.assert_close(second, first + 1.0, rtol=0, atol=1e-5)
