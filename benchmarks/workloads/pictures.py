# SPDX-License-Identifier: Apache-2.0
"""Single pictures, and frames of an orbit of one head: forward only."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor

from benchmarks import floor
from benchmarks.workload import FAST, FAST_BF16, FLOOR, FLOOR_BF16, PLAIN, Part, Work, Workload, plainly, whole
from configs import resolve
from training.builder import build_generator
from training.generator import Generator
from training.portraits.seeds import z_of_seeds
from training.portraits.sitter import Sitter, photograph, seat, views_at_once
from training.portraits.trajectories import moving
from training.pretrained.load import in_precision

ORBIT_FRAMES = 120


def generator(cfg: str, device: str) -> Generator:
    """With random weights: a picture costs the same whatever it shows."""
    torch.manual_seed(0)
    return build_generator(resolve(cfg).generator).eval().requires_grad_(False).to(device)


def picture(G: Generator, rays: int, *, bf16: bool) -> Workload:
    """Styles, planes, background, rays x rays rays, super-resolution."""
    labels = moving(G, "Head", 16)

    @torch.no_grad()
    def made(G: Generator, number: int) -> Tensor:
        z, c = z_of_seeds([number], G.z_dim), labels[number % len(labels)][None]
        place = next(G.parameters()).device
        return G(z.to(place), c.to(place), neural_rendering_resolution=rays)["image"]

    works: dict[str, Work] = {FAST: partial(made, G)}
    floors = {FLOOR: torch.float32}
    if bf16:
        works[FAST_BF16] = partial(made, in_precision(deepcopy(G), "bf16"))
        floors[FLOOR_BF16] = torch.bfloat16
    works[PLAIN] = plainly(partial(made, G))
    ways = {name: whole(work) for name, work in works.items()}
    for name, dtype in floors.items():
        ways[name] = whole(_bare(partial(made, G, 0), dtype))
    size = G.img_resolution
    return Workload(f"picture {size} x {size}, {rays} x {rays} rays", "picture", ways, rounds=5, pictures=works)


def orbit(G: Generator, *, bf16: bool) -> Workload:
    """A frame of a whole turn: the head is prepared once, the published way prepares it for every frame."""
    labels = moving(G, "Head", ORBIT_FRAMES)
    together = views_at_once(G)

    def film(G: Generator) -> tuple[Callable[[int], Sitter], Callable[[int], Tensor]]:
        place = next(G.parameters()).device

        @torch.no_grad()
        def prepared(number: int) -> Sitter:
            z = z_of_seeds([number], G.z_dim).to(place)
            return seat(G, G.mapping(z, labels[:1].to(place)))

        sitters = {0: prepared(0)}

        def taken(number: int) -> Tensor:
            first = number * 7 % (ORBIT_FRAMES - together)
            (pictures,) = photograph(G, sitters[0], labels[first : first + together].to(place))
            return pictures["image"]

        return prepared, taken

    @torch.no_grad()
    def whole_frame(number: int) -> Tensor:
        place = next(G.parameters()).device
        c = labels[number * 7 % (ORBIT_FRAMES - together)][None].to(place)
        ws = G.mapping(z_of_seeds([0], G.z_dim).to(place), labels[:1].to(place))
        return G.synthesis(ws, c)["image"]

    generators = {FAST: G} | ({FAST_BF16: in_precision(deepcopy(G), "bf16")} if bf16 else {})
    ways, pictures = {}, {}
    for name, each in generators.items():
        prepared, taken = film(each)
        ways[name] = {"head": Part(prepared, 1 / ORBIT_FRAMES), "frames": Part(taken, 1 / together)}
        pictures[name] = lambda number, taken=taken: taken(number)[:1]
    ways[PLAIN] = whole(plainly(whole_frame))
    pictures[PLAIN] = plainly(whole_frame)
    ws = torch.zeros(1, G.num_ws, G.w_dim, device=next(G.parameters()).device)
    exposure = G.expose(ws, labels[:1].to(ws))
    backdrop = G.backdrop(ws)
    for name, dtype in {FLOOR: torch.float32, **({FLOOR_BF16: torch.bfloat16} if bf16 else {})}.items():
        ways[name] = whole(_bare(lambda: G.develop(exposure, backdrop=backdrop), dtype))
    size = G.img_resolution
    return Workload(f"orbit {size} x {size}, {ORBIT_FRAMES} frames", "frame", ways, rounds=7, pictures=pictures)


def _bare(work: Callable[[], object], dtype: torch.dtype) -> Work:
    """Only the convolutions of `work`."""
    convolutions = [conv._replace(x=conv.x.to(dtype), weight=conv.weight.to(dtype)) for conv in _convolutions(work)]
    return lambda _: floor.run(convolutions)


def _convolutions(work: Callable[[], object]) -> list[floor.Convolution]:
    with torch.no_grad():
        return floor.convolutions_of(work)
