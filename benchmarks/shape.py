# SPDX-License-Identifier: Apache-2.0
"""The shape of one head against the plain way to get it: seconds, points asked, memory.

    plain          planes recomputed for every block of a million points, every point of the box, stock PyTorch
    dense          the same points with planes that are kept, native operators
    surface        coarse to fine, with triangles and normals

Where no trained network is given, the field of the configuration is asked for every point, and a ball of the size of a
head is added to what it says: untrained densities have no surface that is like a head's.
"""

import resource
import sys
from pathlib import Path
from typing import final

import click
import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import harness
from configs import resolve
from torch_utils.ops import native
from training.builder import build_generator
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.fields.base import AbstractField, FieldSamples
from training.generator import Generator
from training.networks.noise import AbstractNoise
from training.portraits.seeds import z_of_seeds
from training.portraits.sitter import seat
from training.pretrained import load_generator
from training.shapes.densities import Densities
from training.shapes.export import head_mesh
from training.shapes.grid import Grid, check_resolution
from training.shapes.level import choose_level
from training.types import Codes

PLAIN, DENSE, SURFACE = "plain", "dense", "surface"
PLAIN_BLOCK = 1_000_000


@final
class WithBall(AbstractField):
    """A field whose densities are hidden in those of a ball."""

    def __init__(self, field: AbstractField) -> None:
        super().__init__()
        self.field = field
        self.box_size, self.num_channels, self.state_shape = field.box_size, field.num_channels, field.state_shape

    def prepare(self, codes: Codes, noise: AbstractNoise) -> Tensor:
        return self.field.prepare(codes, noise)

    def query(self, state: Tensor, points: Tensor) -> FieldSamples:
        density, features = self.field.query(state, points)
        ball = 1000 * (0.27 * self.box_size - points.norm(dim=-1))
        return FieldSamples(ball + 1e-3 * density.tanh(), features)

    def visible(self, points: Tensor) -> Tensor | None:
        return self.field.visible(points)


class Bench:
    """One head, and three ways to its densities."""

    def __init__(self, G: Generator, level: float | None, resolution: int) -> None:
        self.G = G
        front = torch.tensor([torch.pi / 2])
        self.z, self.c = z_of_seeds([0], G.z_dim), label_from_camera(camera_on_sphere(front, front)).float()
        self.place = next(G.parameters()).device
        self.z, self.c = self.z.to(self.place), self.c.to(self.place)
        self.grid = Grid(check_resolution(resolution), G.field.box_size)
        self.sitter = seat(G, G.mapping(self.z, self.c))
        self.ask = Densities(G.field, self.sitter.planes)
        self.level = choose_level(G, self.sitter, self.ask) if level is None else level
        self.asked: dict[str, int] = {}

    @torch.no_grad()
    def plain(self) -> None:
        with native.forced("reference"):
            for points in self._blocks():
                planes = self.G.planes(self.G.mapping(self.z, self.c))
                self.G.field.query(planes, torch.from_numpy(points)[None].to(planes))
        self.asked[PLAIN] = self.grid.resolution**3

    @torch.no_grad()
    def dense(self) -> None:
        planes = self.G.planes(self.G.mapping(self.z, self.c))
        for points in self._blocks():
            self.G.field.query(planes, torch.from_numpy(points)[None].to(planes))
        self.asked[DENSE] = self.grid.resolution**3

    @torch.no_grad()
    def surface(self) -> None:
        ask = Densities(self.G.field, self.G.planes(self.G.mapping(self.z, self.c)))
        head_mesh(ask, self.grid, self.level)
        self.asked[SURFACE] = ask.num_asked

    def _blocks(self) -> object:
        R = self.grid.resolution
        for start in range(0, R**3, PLAIN_BLOCK):
            key = np.arange(start, min(start + PLAIN_BLOCK, R**3))
            yield self.grid.positions(1 + np.stack(np.unravel_index(key, (R, R, R)), axis=-1))


def measure(bench: Bench, name: str, device: str, rounds: int) -> dict[str, object]:
    ways = {SURFACE: bench.surface, DENSE: bench.dense, PLAIN: bench.plain}
    times = harness.time_in_turn(ways, device, rounds)
    seconds = {way: harness.median(times[way]) / 1e3 for way in ways}
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "config": name,
        "resolution": bench.grid.resolution,
        "seconds": {way: round(s, 3) for way, s in seconds.items()},
        "asked": bench.asked,
        "ratio": round(seconds[PLAIN] / seconds[SURFACE], 2),
        "peak_bytes": peak,
    }


def table(result: dict) -> str:
    whole = result["resolution"] ** 3
    lines = [f"| shape of {result['resolution']}^3 | seconds | points asked |", "|---|---|---|"]
    for way, seconds in result["seconds"].items():
        lines.append(f"| {way} | **{seconds:.2f}** | {result['asked'][way] / whole:.2%} |")
    lines.append(
        f"\n`{result['config']}`: a surface takes **1/{result['ratio']:.1f}** of the plain way. "
        f"Peak memory of all three: {result['peak_bytes'] / 2**30:.2f} GiB."
    )
    return "\n".join(lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--cfg", default="panohead", show_default=True, help="Configuration by name or file.")
@click.option("--network", help="A trained network instead.")
@click.option("--resolution", type=int, default=256, show_default=True, help="Voxels along a side.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Rounds that the medians are of.")
@click.option("--write", is_flag=True, help="Save the result as JSON.")
def main(device: str, cfg: str, network: str | None, resolution: int, rounds: int, write: bool) -> None:
    """Time the shape of a head against the plain way to get it."""
    if device == "cuda" and not torch.cuda.is_available():
        raise click.ClickException("PyTorch sees no CUDA device; use --device cpu.")
    if network is not None:
        G, level = load_generator(network, device), None
    else:
        torch.manual_seed(0)
        G, level = build_generator(resolve(cfg, ()).generator).eval().to(device), 0.0
        G.field = WithBall(G.field)
    result = measure(Bench(G, level, resolution), network or cfg, device, rounds)
    click.echo(table(result))
    if write:
        click.echo(f"Saved {harness.save('shape', device, [result])}", err=True)


if __name__ == "__main__":
    main()
