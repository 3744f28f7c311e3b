# SPDX-License-Identifier: Apache-2.0
"""Every operator, native against stock PyTorch, forward and backward, on the shapes of a 512 x 512 PanoHead picture.

`stock` is benchmarks/stock_ops.py in NCHW, as the method is commonly written. Where another layout makes the stock
calls faster, `stock, best layout` says how fast. A ratio is a ratio of medians of rounds taken in turn in one process.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import harness, stock_ops
from torch_utils import ops
from torch_utils.ops import build, distance_field, native
from torch_utils.ops.philox_words import reference as philox_reference
from training.data.synthetic.solid import Solid, ellipsoid

RAYS, SAMPLES, FEATURES = 64 * 64, 48, 32
CLAMP, GAIN = 256.0, 2**0.5
NATIVE, STOCK = "native", "stock"


@dataclass
class Case:
    """Named ways to do one thing. The first is ours, the second the yardstick."""

    op: str
    what: str
    layout: str  # of our input
    ways: dict[str, Callable[[], object]]
    to_reach: float | None = None  # the ratio this project set itself on a CPU
    times: dict[str, list[float]] = field(default_factory=dict)

    def ratio(self, way: str = STOCK) -> float:
        return harness.median(self.times[way]) / harness.median(self.times[NATIVE])


def gradient_of(call: Callable[..., object], *inputs: Tensor) -> Callable[[], object]:
    """The backward pass alone: gradients of all inputs for a fixed random cotangent, the graph kept."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    outputs = call(*leaves)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    cotangents = [torch.randn_like(y) for y in outputs]  # in the layout of y: what its consumer would send back
    return lambda: torch.autograd.grad(outputs, leaves, cotangents, retain_graph=True)


def without_gradient(call: Callable[..., object], *inputs: Tensor) -> Callable[[], object]:
    def way() -> object:
        with torch.no_grad():
            return call(*inputs)

    return way


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def ray_points(device: str) -> Tensor:
    """Samples along the rays of a frontal camera, as a renderer asks for them: [1, rays * samples, 3]."""
    u = (torch.arange(64) + 0.5) / 64 - 0.5
    v, u = torch.meshgrid(u, u, indexing="ij")
    directions = torch.stack([u / 4.2647, -v / 4.2647, -torch.ones_like(u)], -1).reshape(-1, 1, 3)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    t = torch.linspace(2.25, 3.3, SAMPLES).reshape(1, -1, 1)
    return (torch.tensor([0.0, 0.0, 2.7]) + directions * t).reshape(1, -1, 3).to(device)


def trigrid_cases(device: str) -> list[Case]:
    points = ray_points(device)
    official = torch.randn(1, 3, FEATURES, 3, 256, 256, device=device)  # [N, 3, F, D, H, W], NCHW
    # What a channels-last convolution with outputs in the order (plane, depth, feature) gives: [N, H, W, 3, D, F].
    ours = official.permute(0, 4, 5, 1, 3, 2).contiguous().permute(0, 3, 4, 5, 1, 2)
    same_memory = ours.transpose(2, 3)  # [N, 3, F, D, H, W] for the stock calls

    sizes = ((64, FEATURES), (64,), (1 + FEATURES, 64), (1 + FEATURES,))
    layers = [torch.randn(*shape, device=device) / 8 for shape in sizes]

    def decode(planes: Tensor, points: Tensor = points, *trained: Tensor) -> tuple[Tensor, Tensor]:
        return ops.trigrid_decode(planes, points, *(trained or layers), 1.0)

    def stock(planes: Tensor, points: Tensor = points, *trained: Tensor) -> tuple[Tensor, Tensor]:
        return stock_ops.trigrid_decode(planes, points, *(trained or layers), 1.0)

    size = f"3 x 3 x 32 x 256 x 256, 196,608 points, {FEATURES} - 64 - {1 + FEATURES}"
    layout = "channels-last, features innermost"
    return [
        Case(
            "trigrid_decode",
            f"forward, {size}",
            layout,
            {
                NATIVE: without_gradient(decode, ours),
                STOCK: without_gradient(stock, official),
                "stock, best layout": without_gradient(stock, same_memory),
            },
        ),
        Case(
            "trigrid_decode",
            "forward, conversion from NCHW included",
            "NCHW, depth innermost of the channels",
            {
                NATIVE: without_gradient(lambda p: decode(p.transpose(2, 3)), official),
                STOCK: without_gradient(stock, official),
            },
        ),
        Case(
            "trigrid_decode",
            "backward to the planes",
            layout,
            {
                NATIVE: gradient_of(decode, ours),
                STOCK: gradient_of(stock, official),
                "stock, best layout": gradient_of(stock, same_memory),
            },
        ),
        Case(
            "trigrid_decode",
            "backward to planes, points and layers",
            layout,
            {
                NATIVE: gradient_of(decode, ours, points, *layers),
                STOCK: gradient_of(stock, official, points, *layers),
                "stock, best layout": gradient_of(stock, same_memory, points, *layers),
            },
        ),
    ]


def image_cases(device: str) -> list[Case]:
    taps = ops.filter_taps().to(device)
    wide = torch.randn(1, 64, 513, 513, device=device)  # what the transposed convolution leaves
    noise, bias = torch.randn(1, 1, 512, 512, device=device), torch.randn(64, device=device)
    image = torch.randn(1, 64, 512, 512, device=device)
    skip = torch.randn(1, 96, 128, 128, device=device)
    fir_pad = (1, 1, 1, 1)

    def fused(x: Tensor, noise: Tensor, bias: Tensor) -> Tensor:
        return ops.fir_act(x, taps, noise, bias, "lrelu", fir_pad, 4.0, GAIN, CLAMP)

    def fused_stock(x: Tensor, noise: Tensor, bias: Tensor) -> Tensor:
        return stock_ops.fir_act(x, taps, noise, bias, fir_pad, 4.0, GAIN, CLAMP)

    def act(x: Tensor, bias: Tensor) -> Tensor:
        return ops.biased_act(x, bias, "lrelu", GAIN, CLAMP)

    def act_stock(x: Tensor, bias: Tensor) -> Tensor:
        return stock_ops.biased_act(x, bias, GAIN, CLAMP)

    def up_stock(x: Tensor) -> Tensor:
        return stock_ops.fir(x, taps, 2, 1, (2, 1, 2, 1), 4.0)

    def down_stock(x: Tensor) -> Tensor:
        return stock_ops.fir(x, taps, 1, 2, fir_pad, 1.0)

    rows = [
        ("fir_act", "64 x 513 x 513: FIR + noise + bias + lrelu", fused, fused_stock, (wide, noise, bias), 8),
        ("biased_act", "64 x 512 x 512: bias + lrelu + gain + clamp", act, act_stock, (image, bias), None),
        ("fir_resample", "96 x 128 x 128: up 2", lambda x: ops.upsample(x, taps), up_stock, (skip,), None),
        ("fir_resample", "64 x 512 x 512: down 2", lambda x: ops.downsample(x, taps), down_stock, (image,), None),
    ]
    cases = []
    for op, what, ours, stock, (x, *rest), to_reach in rows:
        for direction, make in (("forward", without_gradient), ("backward", gradient_of)):
            cases.append(
                Case(
                    op,
                    f"{direction}, {what}",
                    "channels-last",
                    {
                        NATIVE: make(ours, channels_last(x), *rest),
                        STOCK: make(stock, x, *rest),
                        "stock, best layout": make(stock, channels_last(x), *rest),
                    },
                    to_reach if direction == "forward" else None,
                )
            )
        cases.append(
            Case(
                op,
                f"forward, {what}",
                "NCHW",
                {NATIVE: without_gradient(ours, x, *rest), STOCK: without_gradient(stock, x, *rest)},
            )
        )
    return cases


def ray_cases(device: str) -> list[Case]:
    features = torch.randn(1, RAYS, 2 * SAMPLES, FEATURES, device=device)
    densities = 3 * torch.randn(1, RAYS, 2 * SAMPLES, device=device)
    depths = torch.rand(1, RAYS, 2 * SAMPLES, device=device).sort(-1).values + 2.25
    halves = [x for half in (slice(None, None, 2), slice(1, None, 2))
              for x in (features[:, :, half].contiguous(), densities[:, :, half].contiguous())]  # fmt: skip
    half_depths = [depths[:, :, half].contiguous() for half in (slice(None, None, 2), slice(1, None, 2))]

    def passes(fa: Tensor, sa: Tensor, fb: Tensor, sb: Tensor) -> tuple[Tensor, ...]:
        return ops.composite_passes(fa, sa, half_depths[0], fb, sb, half_depths[1])

    def passes_stock(fa: Tensor, sa: Tensor, fb: Tensor, sb: Tensor) -> tuple[Tensor, ...]:
        return stock_ops.composite_passes(fa, sa, half_depths[0], fb, sb, half_depths[1])

    coarse = torch.linspace(2.25, 3.3, SAMPLES, device=device).expand(1, RAYS, -1).contiguous()
    weights = torch.rand(1, RAYS, SAMPLES - 1, device=device)
    u = ops.mid_cell(SAMPLES, device)
    fine = ops.importance_depths(coarse, weights, u)
    layout = "rays, samples, features"
    size = f"{RAYS} rays, {2 * SAMPLES} samples"
    return [
        Case(
            "composite",
            f"forward, {size}, {FEATURES} features",
            layout,
            {
                NATIVE: without_gradient(ops.composite, features, densities, depths),
                STOCK: without_gradient(stock_ops.composite, features, densities, depths),
            },
            to_reach=3,
        ),
        Case(
            "composite",
            f"backward, {size}, {FEATURES} features",
            layout,
            {
                NATIVE: gradient_of(ops.composite, features, densities, depths),
                STOCK: gradient_of(stock_ops.composite, features, densities, depths),
            },
        ),
        *(
            Case(
                "composite_passes",
                f"{direction}, {RAYS} rays, {SAMPLES} and {SAMPLES} samples, {FEATURES} features",
                layout,
                {NATIVE: make(passes, *halves), STOCK: make(passes_stock, *halves)},
            )
            for direction, make in (("forward", without_gradient), ("backward", gradient_of))
        ),
        Case(
            "importance_depths",
            f"{RAYS} rays, {SAMPLES} to {SAMPLES} samples",
            layout,
            {
                NATIVE: without_gradient(ops.importance_depths, coarse, weights, u),
                STOCK: without_gradient(stock_ops.importance_depths, coarse, weights, u),
            },
        ),
        Case(
            "merge_depths",
            f"{RAYS} rays, {SAMPLES} and {SAMPLES} samples",
            layout,
            {
                NATIVE: without_gradient(ops.merge_depths, coarse, fine),
                STOCK: without_gradient(stock_ops.merge_depths, coarse, fine),
            },
        ),
    ]


def word_cases(device: str) -> list[Case]:
    """Random words of a training step of eight images: for all samples along their rays, and for many small choices."""
    indices = torch.arange(8, device=device) + 2**33
    sizes = {"8 x 24,576 words": [24_576], "40 draws of 8 x 20 words": [20] * 40}

    def draw(words: Callable[[Tensor, int, int], Tensor], counts: list[int]) -> list[Tensor]:
        return [words(indices, key, count) for key, count in enumerate(counts)]

    return [
        Case(
            "philox_words",
            what,
            "items, words",
            {
                NATIVE: lambda counts=counts: draw(ops.philox_words, counts),
                STOCK: lambda counts=counts: draw(philox_reference, counts),
            },
        )
        for what, counts in sizes.items()
    ]


def solid_cases(device: str) -> list[Case]:
    """A ball of eighty blended ellipsoids in four layers, at points of its surface as a picture sees them."""
    solid = Solid()
    centres = torch.nn.functional.normalize(torch.randn(80, 3), dim=1) * 0.15
    for i in range(4):
        layer = solid.layer(f"layer {i}")
        for centre in centres[i::4].tolist():
            layer.add(ellipsoid(centre, (0.03, 0.05, 0.04)), blend=0.02)
    rows = solid.table().to(device)
    u = torch.linspace(-0.15, 0.15, 256)
    y, x = torch.meshgrid(u, u, indexing="ij")
    z = (0.19**2 - x.square() - y.square()).clamp(min=0).sqrt()
    picture = torch.stack([x, y, z], dim=-1)
    tiles = picture.unflatten(0, (32, 8)).unflatten(2, (32, 8)).transpose(1, 2).reshape(-1, 3).to(device)
    strangers = tiles[torch.randperm(len(tiles))]
    return [
        Case(
            "distance_field",
            f"84 rows, {len(points)} points",
            order,
            {
                NATIVE: without_gradient(distance_field.distance, points, rows),
                STOCK: without_gradient(distance_field.reference, points, rows),
            },
        )
        for order, points in (("neighbours together", tiles), ("in random order", strangers))
    ]


def table(cases: list[Case]) -> str:
    lines = [
        "| operator | what | our layout | native ms | stock ms | ratio | stock, best layout | to reach |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in cases:
        ms = {name: harness.median(times) for name, times in case.times.items()}
        best = f"{ms[b]:.1f} ms, {case.ratio(b):.1f} x" if (b := "stock, best layout") in ms else ""
        goal = f"{case.to_reach:g} x" if case.to_reach else ""
        lines.append(
            f"| {case.op} | {case.what} | {case.layout} | {ms[NATIVE]:.2f} | {ms[STOCK]:.1f} | "
            f"**{case.ratio():.1f} x** | {best} | {goal} |"
        )
    return "\n".join(lines)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="Rounds that the medians are of.")
@click.option("--only", default="", help="Only operators whose name contains this.")
@click.option("--write", is_flag=True, help="Also put the table into docs/ops.md.")
def main(device: str, rounds: int, only: str, write: bool) -> None:
    """Time every operator against stock PyTorch and save the result as JSON."""
    harness.take_device(device)
    torch.manual_seed(0)
    cases = []
    makers = [trigrid_cases, image_cases, ray_cases, word_cases]
    if build.has_kernel("distance_field", device):
        makers.append(solid_cases)
    with native.forced("native"):
        for make in makers:
            for case in make(device):
                if only not in case.op:
                    continue
                ways = {name: lambda _, way=way: way() for name, way in case.ways.items()}
                case.times = harness.time_in_turn(ways, device, rounds)
                click.echo(f"{case.op:18} {case.what:60} {case.layout:38} {case.ratio():6.1f} x stock", err=True)
                case.ways = {}  # frees the tensors that the ways hold
                cases.append(case)
    click.echo(table(cases))
    if only:
        return
    records = [
        {
            "op": c.op,
            "what": c.what,
            "layout": c.layout,
            "ratio": round(c.ratio(), 2),
            "times_ms": c.times,
            "to_reach": c.to_reach,
        }
        for c in cases
    ]
    click.echo(f"Saved {harness.save('ops', device, records)}", err=True)
    if write:
        title = harness.place(harness.environment(device))
        harness.put_between_markers(harness.ROOT / "docs" / "ops.md", f"ops-{device}", f"{title}\n\n{table(cases)}")


if __name__ == "__main__":
    main()
