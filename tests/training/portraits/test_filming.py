# SPDX-License-Identifier: Apache-2.0
"""Frames are the generator's own pictures, and nothing is computed twice."""

import os
import signal
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from dnnlib.video import Video
from tests.training.small import codes, labels, small_generator
from training.generator import Generator
from training.pixels import colours
from training.portraits.filming import frame_size, frames, record
from training.portraits.finer import with_samples
from training.portraits.heads import Head
from training.portraits.paths import VideoPath, tracks_in_grid
from training.portraits.trajectories import moving

SIZE = 32


@pytest.fixture(scope="module")
def G() -> Generator:  # noqa: N802
    return small_generator()


@pytest.fixture(scope="module")
def ws(G: Generator) -> torch.Tensor:
    with torch.no_grad():
        return G.mapping(codes(4), labels(0.0, 0.0, 0.0, 0.0))


def heads_of(ws: torch.Tensor, ws_background: torch.Tensor | None = None) -> list[Head]:
    behind = [None] * len(ws) if ws_background is None else ws_background.split(1)
    return [Head(f"head{i}", {}, row, behind[i]) for i, row in enumerate(ws.split(1))]


def picture(G: Generator, ws: torch.Tensor, label: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return colours(G.synthesis(ws[None], label[None])["image"])[0]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.abs(one.astype(int) - other).max() <= 1


def test_each_cell_shows_its_head_under_the_camera_of_the_frame(G: Generator, ws: torch.Tensor) -> None:
    path = VideoPath(moving(G, "Head", 6), tracks_in_grid(heads_of(ws), [[0], [1], [2], [3]]), columns=2)
    made = list(frames(G, path, ("image",), together=4))
    assert [frame.shape for frame in made] == [(2 * SIZE, 2 * SIZE, 3)] * 6
    for index, frame in enumerate(made):
        for cell in range(4):
            row, column = divmod(cell, 2)
            shown = frame[row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]
            assert same(shown, picture(G, ws[cell], path.labels[index])), (index, cell)


def test_a_head_on_its_way_to_another_is_drawn_frame_by_frame(G: Generator, ws: torch.Tensor) -> None:
    path = VideoPath(moving(G, "FFHQ", 4), tracks_in_grid(heads_of(ws), [[0, 1]]), columns=1)
    track = path.tracks[0]
    for index, frame in enumerate(frames(G, path, ("image",))):
        assert same(frame, picture(G, track.ws.at(index / 2), path.labels[index]))


def test_kinds_stand_side_by_side(G: Generator, ws: torch.Tensor) -> None:
    path = VideoPath(moving(G, "Head", 2), tracks_in_grid(heads_of(ws), [[0], [1]]), columns=1)
    assert frame_size(G, path, ("image", "depth", "foreground")) == (3 * SIZE, 2 * SIZE)
    both = list(frames(G, path, ("image", "depth", "foreground")))
    assert both[0].shape == (2 * SIZE, 3 * SIZE, 3)
    for index, kind in enumerate(("image", "depth")):
        alone = list(frames(G, path, (kind,)))
        assert same(both[1][:, index * SIZE : (index + 1) * SIZE], alone[1])
    assert next(frames(G, path, ("foreground",), alpha=True)).shape == (2 * SIZE, SIZE, 4)


def test_a_head_that_stays_is_prepared_once(G: Generator, ws: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {"planes": 0, "backdrop": 0}
    for name in calls:
        original = getattr(G, name)

        def counted(*arguments, name=name, original=original):
            calls[name] += 1
            return original(*arguments)

        monkeypatch.setattr(G, name, counted)
    labels = moving(G, "Head", 10)
    list(frames(G, VideoPath(labels, tracks_in_grid(heads_of(ws), [[0], [1, 1]]), columns=2), ("image",)))
    assert calls == {"planes": 2, "backdrop": 2}
    # A background that stays is kept while the head before it changes.
    calls.update(planes=0, backdrop=0)
    behind = heads_of(ws[:2], ws[2:3].expand(2, -1, -1))
    list(frames(G, VideoPath(labels, tracks_in_grid(behind, [[0, 1]]), columns=1), ("image",)))
    assert calls == {"planes": 10, "backdrop": 1}


def test_the_background_of_a_file_is_behind_its_head(G: Generator, ws: torch.Tensor) -> None:
    path = VideoPath(labels(0.3), tracks_in_grid(heads_of(ws[:1], ws[1:2]), [[0]]), columns=1)
    with torch.no_grad():
        wanted = colours(G.synthesis(ws[:1], path.labels, ws_bcg=ws[1:2])["image"])[0]
    assert same(next(frames(G, path, ("image",))), wanted)


def test_the_first_frame_follows_on_the_last(G: Generator, ws: torch.Tensor) -> None:
    path = VideoPath(moving(G, "Head", 20), tracks_in_grid(heads_of(ws), [[0, 1]]), columns=1)
    made = np.stack(list(frames(G, path, ("image",)))).astype(float)
    steps = np.abs(made - np.roll(made, 1, axis=0)).mean((1, 2, 3))  # steps[0] is over the seam.
    assert steps[0] <= 1.5 * steps[1:].max()


def test_more_samples_are_another_renderer_with_the_same_weights(G: Generator) -> None:
    finer = with_samples(G, 2.0)
    assert (finer.config.renderer.num_coarse, finer.config.renderer.num_fine) == (12, 10)
    assert not finer.training
    for name, tensor in G.state_dict().items():
        assert torch.equal(finer.state_dict()[name], tensor), name
    assert with_samples(G, 1.0) is G
    with pytest.raises(ValueError, match=r"0\.1 to 32"):
        with_samples(G, 1000.0)


def test_a_request_to_stop_keeps_what_is_there(tmp_path: Path) -> None:
    def stopping():
        for index in range(100):
            if index == 5:
                os.kill(os.getpid(), signal.SIGTERM)
            yield np.full((SIZE, SIZE, 3), index, np.uint8)

    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "a.mp4", Video(SIZE, SIZE), stopping(), 100)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 6


def test_a_request_that_comes_with_the_last_frame_is_heard_too(tmp_path: Path) -> None:
    def stopping():
        yield np.zeros((SIZE, SIZE, 3), np.uint8)
        os.kill(os.getpid(), signal.SIGTERM)
        yield np.zeros((SIZE, SIZE, 3), np.uint8)

    with pytest.raises(KeyboardInterrupt):
        record(tmp_path / "a.mp4", Video(SIZE, SIZE), stopping(), 2)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert len(list(container.decode(video=0))) == 2
