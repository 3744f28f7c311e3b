# SPDX-License-Identifier: Apache-2.0
"""Recordings on a GPU; what they are for, films of small pictures, above all."""

import numpy as np
import pytest
import torch

from tests.training.small import codes, labels, small_generator
from torch_utils import cuda_graph
from torch_utils.cuda_graph import Recorded
from training.portraits.filming import frames
from training.portraits.heads import Head
from training.portraits.paths import VideoPath, tracks_in_grid
from training.portraits.replaying import STAGES, replayed
from training.portraits.trajectories import moving

DEVICE = "cuda"


@torch.no_grad()
def test_replays_follow_new_inputs_and_weights_that_were_changed_in_place() -> None:
    layer = torch.nn.Conv2d(3, 8, 3, device=DEVICE)
    recorded = Recorded(lambda x, scale: layer(x) * scale)
    results = []
    for number in range(5):
        layer.weight.mul_(1 + number / 10)
        x = torch.randn(2, 3, 16, 16, device=DEVICE)
        results.append((recorded(x, 2.0), layer(x) * 2.0))
    assert recorded.is_recorded
    for found, expected in results:  # Compared in the end: later replays leave what was given before alone.
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(recorded(x[:1], 2.0), layer(x[:1]) * 2.0, rtol=1e-3, atol=1e-4)


def test_where_gradients_are_wanted_nothing_is_recorded() -> None:
    recorded = Recorded(torch.square)
    for _ in range(3):
        x = torch.ones(3, device=DEVICE, requires_grad=True)
        recorded(x).sum().backward()
        assert x.grad.tolist() == [2.0] * 3
    assert not recorded.is_recorded


@torch.no_grad()
def test_what_cannot_be_recorded_is_computed_as_ever_and_the_stream_is_left() -> None:
    recorded = Recorded(lambda x: x * 2 if x.sum().item() > 0 else x)
    before = torch.cuda.current_stream()
    for value in (1.0, -2.0, 3.0):
        assert recorded(torch.tensor([value], device=DEVICE)).item() == (2 * value if value > 0 else value)
    assert not recorded.is_recorded
    assert torch.cuda.current_stream() == before


@torch.no_grad()
def test_every_stage_of_a_picture_can_be_recorded() -> None:
    G, plain = (small_generator().to(DEVICE) for _ in range(2))
    ws = G.mapping(codes(3).to(DEVICE), labels(0.0, 0.0, 0.0).to(DEVICE))
    c = labels(0.0, 1.0, 2.0, 3.0).to(DEVICE)
    with replayed(G) as recorded:
        for number in range(4):
            w, view = ws[number % 3, None], c[number, None]
            exposure = G.expose(w, view, None, "const", G.planes(w, "const"))
            image = G.develop(exposure, backdrop=G.backdrop(w, "const"))["image"]
            torch.testing.assert_close(image, plain.synthesis(w, view)["image"], rtol=0, atol=1e-3)
        assert {stage for stage in STAGES if recorded[stage].is_recorded} == set(STAGES)


@pytest.mark.parametrize("keyframes", [[0], [0, 1]])
def test_films_show_the_same(keyframes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    G = small_generator().to(DEVICE)
    with torch.no_grad():
        ws = G.mapping(codes(2).to(DEVICE), labels(0.0, 0.0).to(DEVICE))
    heads = [Head(f"head{i}", {}, ws[i : i + 1]) for i in range(2)]

    def film() -> list[np.ndarray]:
        path = VideoPath(moving(G, "Head", 9), tracks_in_grid(heads, [keyframes]), columns=1)
        return list(frames(G, path, ("image", "depth")))

    made = film()
    monkeypatch.setattr(cuda_graph, "can_record", lambda tensors: False)
    for one, other in zip(made, film(), strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
