# SPDX-License-Identifier: Apache-2.0
"""Rays, samples, planes, batches and frames of PanoHead at its full size, forward only, with random weights."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from unittest import mock

import torch

from benchmarks.orbit import orbit
from benchmarks.sweep import CONSTANT, LINEAR, Sweep, Work, timed
from configs import resolve
from dnnlib.config_paths import replace
from training.builder import build_generator
from training.generator import Generator
from training.portraits.seeds import z_of_seeds
from training.portraits.trajectories import moving

CFG = "panohead"


def generator(**changes: object) -> Generator:
    torch.manual_seed(0)
    return build_generator(replace(resolve(CFG).generator, **changes)).eval().requires_grad_(False)


@cache
def whole() -> Generator:
    """Of several sweeps."""
    return generator()


def head(G: Generator, number: int, count: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Styles and labels of fresh heads."""
    c = moving(G, "Head", 16)[[(number + i) % 16 for i in range(count)]]
    return G.mapping(z_of_seeds(list(range(number, number + count)), G.z_dim), c), c


@contextmanager
def rays(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    yield {side: timed("rays", _rendering(whole(), side)) for side in sides}


@contextmanager
def samples(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    """Of both passes together, half in each."""
    works = {}
    for count in sides:
        G = generator(**{"renderer.num_coarse": count // 2, "renderer.num_fine": count // 2})
        works[count] = timed("rays", _rendering(G, G.neural_rendering_resolution))
    yield works


@contextmanager
def planes(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    yield {side: _prepare_and_render(generator(**{"field.resolution": side})) for side in sides}


@contextmanager
def depth(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    # Sampled in three dimensions at every depth; single planes could be sampled in two, which is less.
    yield {side: _prepare_and_render(generator(**{"field.depth": side, "field.planar": False})) for side in sides}


@contextmanager
def batch(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    @torch.no_grad()
    def pictures(number: int, count: int) -> None:
        ws, c = head(whole(), number, count)
        whole().synthesis(ws, c)

    yield {count: timed("pictures", lambda number, count=count: pictures(number, count)) for count in sides}


@contextmanager
def frames(sides: tuple[int, ...]) -> Iterator[dict[int, Work]]:
    """Films of one head, and what of their time its planes and backdrop took."""
    yield {count: lambda _, count=count: film(whole(), count) for count in sides}


def film(G: Generator, num_frames: int) -> dict[str, float]:
    spent_s = []

    def watched(work: Callable) -> Callable:
        def run(*arguments: object) -> object:
            start_s = time.perf_counter()
            result = work(*arguments)
            spent_s.append(time.perf_counter() - start_s)
            return result

        return run

    with (
        mock.patch.object(G.field, "prepare", watched(G.field.prepare)),
        mock.patch.object(G.post, "backdrop", watched(G.post.backdrop)),
    ):
        start_s = time.perf_counter()
        for _ in orbit(G, moving(G, "Head", num_frames)):
            pass
        whole_s = time.perf_counter() - start_s
    return {"film": whole_s * 1e3, "its head": sum(spent_s) * 1e3}


def _rendering(G: Generator, side: int) -> Callable[[int], object]:
    """Rays alone: planes are given."""
    with torch.no_grad():
        ws, c = head(G, 0)
        given = G.planes(ws)

    @torch.no_grad()
    def render(_: int) -> object:
        return G.expose(ws, c, side, planes=given)

    return render


def _prepare_and_render(G: Generator) -> Work:
    @torch.no_grad()
    def run(number: int) -> dict[str, float]:
        ws, c = head(G, number)
        start_s = time.perf_counter()
        given = G.planes(ws)
        middle_s = time.perf_counter()
        G.expose(ws, c, planes=given)
        return {"planes": (middle_s - start_s) * 1e3, "rays": (time.perf_counter() - middle_s) * 1e3}

    return run


SWEEPS = {
    "rays": Sweep("rays of a picture", "rays", (32, 64, 128, 256), (16, 32), rays, {"rays": LINEAR}, 2, rounds=5),
    "samples": Sweep("samples along a ray", "samples", (24, 48, 96, 192, 384), (24, 48), samples, {"rays": LINEAR},
                     rounds=5),
    "batch": Sweep("pictures of a batch", "pictures", (1, 2, 4, 8), (1, 2), batch, {"pictures": LINEAR}),
    "planes": Sweep("texels of a plane", "texels", (64, 128, 256, 512), (32, 64), planes,
                    {"planes": LINEAR, "rays": LINEAR}, 2),
    "depth": Sweep("planes of a stack", "planes", (1, 2, 4, 8), (1, 2), depth, {"planes": LINEAR, "rays": LINEAR}),
    "frames": Sweep("frames of an orbit", "frames", (1, 2, 4, 8, 16), (1, 2), frames,
                    {"film": LINEAR, "its head": CONSTANT}),
}  # fmt: skip
