# SPDX-License-Identifier: Apache-2.0
"""Seconds per thousand images of training, predicted from operations, bytes and communication.

Every operator takes as long as its operations or its bytes, whichever is more; a step, as long as the device or the
host that tells it what to do. Then gradients are summed over the ranks, and only then weights change. machines.py has
the numbers and what is assumed, op_costs.py counts.
"""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import click

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import harness
from benchmarks.machines import ASSUMED, CPU, MACHINES, MEASURED, V100, Assumptions, Machine
from benchmarks.op_costs import Costs, Op, costs_of_step
from benchmarks.plain_path import plain_path
from benchmarks.scale_chart import Line, Panel, charts
from configs import resolve
from dnnlib.config_paths import replace
from training.run_config import RunConfig
from training.watch.album import write_picture

PAGE = harness.ROOT / "docs" / "scaling.md"
CHART = harness.ROOT / "docs" / "images" / "predictions.png"
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PER_GPU = 4  # Images of a step on each GPU, as 32 on eight.
PRECISIONS = ("fp32", "tf32", "half")
PUBLISHED_EG3D_S = 24.0  # Per kimg, on eight V100.


class Step(NamedTuple):
    """Seconds of one, in parts that follow one another."""

    compute_s: float
    host_s: float  # Of which the host needs so much to call operators: all of it where the device waits for it.
    update_s: float
    talk_s: float
    images: int  # Over all ranks.

    @property
    def kimg_s(self) -> float:
        return (self.compute_s + self.update_s + self.talk_s) * 1e3 / self.images


def in_precision(config: RunConfig, precision: str) -> RunConfig:
    """The same networks with all convolutions that can in 16 bits, or as they are."""
    if precision != "half":
        return config
    return replace(
        config,
        **{"generator.precision": "bf16", "generator.superresolution.precision": "bf16", "critic.precision": "bf16"},
    )


def step(
    costs: Costs, machine: Machine, count: int, *, tf32: bool, assumed: Assumptions = ASSUMED, parts: int = 1
) -> Step:
    """Of `count` devices that compute what `costs` says, each, so many parts one after another."""
    images = costs.images * parts
    device_s = images * costs.per_image(lambda op: op_s(op, machine, tf32, assumed))
    host_s = images * costs.per_image(lambda _: assumed.launch_us * 1e-6)
    updated = sum(due * parameters_of(costs, phase) for phase, due in costs.due.items())
    moved = updated * assumed.optimizer_bytes + costs.num_generator * assumed.average_bytes
    return Step(
        max(device_s, host_s) if machine.has_host else device_s + host_s,
        host_s,
        moved / (machine.memory_gbs * 1e9 * assumed.memory_share),
        sum(due * all_reduce_s(4 * parameters_of(costs, phase), machine, count, assumed)
            for phase, due in costs.due.items()),
        images * count,
    )  # fmt: skip


def op_s(op: Op, machine: Machine, tf32: bool, assumed: Assumptions) -> float:
    """The roofline of one operator."""
    if op.is_half:
        rate = machine.half_tflops * assumed.tensor_share
    elif tf32 and machine.tf32_tflops > machine.fp32_tflops:
        rate = machine.tf32_tflops * assumed.tensor_share
    else:
        rate = machine.fp32_tflops * assumed.fp32_share
    return max(op.flops / (rate * 1e12), op.bytes / (machine.memory_gbs * 1e9 * assumed.memory_share))


def parameters_of(costs: Costs, phase: str) -> int:
    """Those that a phase has gradients of."""
    return costs.num_critic if phase in ("D", "R1") else costs.num_generator


def all_reduce_s(num_bytes: int, machine: Machine, count: int, assumed: Assumptions = ASSUMED) -> float:
    """A sum over all ranks: a ring in every node, and rings between the nodes, each for its part of the numbers."""
    local = min(count, machine.node)
    nodes = -(-count // machine.node)
    seconds = 0.0
    for members, gbs in (
        (local, machine.link_gbs * assumed.link_share),
        (nodes, machine.network_gbs * assumed.network_share),
    ):
        seconds += ring_bytes(num_bytes, members) / (gbs * 1e9) + 2 * (members - 1) * assumed.hop_us * 1e-6
    return seconds


def ring_bytes(num_bytes: float, members: int) -> float:
    """What each member of a ring sends so that all have the sum."""
    return 2 * (members - 1) / members * num_bytes


def sent_bytes(costs: Costs, count: int) -> float:
    """Gradients that one rank sends per image, over all the phases of a step, were all ranks in one ring."""
    return (
        sum(due * ring_bytes(4 * parameters_of(costs, phase), count) for phase, due in costs.due.items()) / costs.images
    )


def predicted(config: RunConfig, machine: Machine, count: int, precision: str, per_gpu: int = PER_GPU) -> Step:
    return step(costs_of_step(in_precision(config, precision), per_gpu), machine, count, tf32=precision != "fp32")


# ----------------------------------------------------------------------------------------------------------------------
# Checks.


def check_eg3d() -> dict[str, float]:
    """As published: the critic's largest layers and super-resolution in fp16, the rest in fp32, four images per GPU."""
    config = replace(resolve("eg3d"), **{"critic.precision": "fp16", "generator.superresolution.precision": "fp16"})
    seconds = {}
    for name, way in {"the published way": plain_path(), "ours": nullcontext()}.items():
        with way:
            seconds[name] = step(costs_of_step(config, PER_GPU), V100, 8, tf32=False).kimg_s
    return seconds


def check_small() -> dict[str, float]:
    """panohead_small on two CPU cores, in parts of eight, beside what benchmarks/train_step.py measured."""
    measured = json.loads((harness.RESULTS / "train_step-cpu.json").read_text())["results"][0]
    config, part = resolve(measured["config"]), measured["part"]
    parts = measured["batch"] // part
    seconds = {}
    for name, way in {"stock PyTorch": plain_path(), "native": nullcontext()}.items():
        with way:
            seconds[name] = step(costs_of_step(config, part), CPU, 1, tf32=False, assumed=MEASURED, parts=parts).kimg_s
    return seconds | {f"{name}, measured": 1e3 / measured["images_per_second"][name] for name in list(seconds)}


# ----------------------------------------------------------------------------------------------------------------------
# What is told.


def costs_table(names: tuple[str, ...]) -> str:
    lines = ["| an image of | operations | bytes of operators | gradients sent on 8 GPUs | operators of a step |",
             "|---|---|---|---|---|"]  # fmt: skip
    for name in names:
        costs = costs_of_step(resolve(name), PER_GPU)
        tflop, gb = costs.per_image(lambda op: op.flops) / 1e12, costs.per_image(lambda op: op.bytes) / 1e9
        calls = costs.per_image(lambda _: 1.0) * costs.images
        cells = f"{tflop:.3g} TFLOP", f"{gb:.3g} GB", f"{sent_bytes(costs, 8) / 1e6:.0f} MB", f"{calls:,.0f}"
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def predictions(by_precision: dict[str, Costs]) -> dict[tuple[str, str], list[Step]]:
    """By precision and machine, for every count."""
    made = {}
    for precision, costs in by_precision.items():
        for machine in MACHINES.values():
            tf32 = precision != "fp32"
            if precision == "tf32" and machine.tf32_tflops == machine.fp32_tflops:
                continue
            made[precision, machine.name] = [step(costs, machine, count, tf32=tf32) for count in COUNTS]
    return made


def predictions_table(made: dict[tuple[str, str], list[Step]]) -> str:
    lines = [
        f"| s per kimg | {' | '.join(map(str, COUNTS))} | sums at 512 | waits for |",
        "|" + "---|" * (len(COUNTS) + 3),
    ]
    for (precision, machine), steps in made.items():
        shown = " | ".join(f"{each.kimg_s:.3g}" for each in steps)
        last = steps[-1]
        share = last.talk_s / (last.compute_s + last.update_s + last.talk_s)
        slower = "the host" if last.host_s >= last.compute_s else "the GPU"
        lines.append(f"| {machine}, {precision} | {shown} | {share:.0%} | {slower} |")
    return "\n".join(lines)


def checks_table(eg3d: dict[str, float], small: dict[str, float]) -> str:
    """What nobody measured has no ratio."""
    rows = [
        ("`eg3d` on eight V100, the published way", eg3d["the published way"], PUBLISHED_EG3D_S),
        ("`eg3d` on eight V100, ours", eg3d["ours"], None),
        *(
            (f"`panohead_small` on two CPU cores, {way}", small[way], small[f"{way}, measured"])
            for way in ("native", "stock PyTorch")
        ),
    ]
    lines = ["| s per kimg | predicted | measured or published | predicted / measured |", "|---|---|---|---|"]
    for name, seconds, known in rows:
        compared = " | " if known is None else f"{known:.3g} | **{seconds / known:.2f}**"
        lines.append(f"| {name} | {seconds:.3g} | {compared} |")
    return "\n".join(lines)


def write() -> None:
    """Tables and chart of docs/scaling.md. Nothing is measured for them."""
    config = resolve("panohead")
    made = predictions({precision: costs_of_step(in_precision(config, precision), PER_GPU) for precision in PRECISIONS})
    panels = []
    for precision in PRECISIONS:
        lines = [Line(name, [s.kimg_s for s in steps], -1.0) for (p, name), steps in made.items() if p == precision]
        panels.append(Panel(f"panohead in {precision}, s per kimg", "GPUs", COUNTS, lines))
    write_picture(CHART, charts(panels))
    parts = {
        "costs": costs_table(("panohead", "panohead_small", "eg3d")),
        "predictions": f"{predictions_table(made)}\n\n![Seconds per kimg]({CHART.relative_to(PAGE.parent)})",
        "checks": checks_table(check_eg3d(), check_small()),
    }
    for name, text in parts.items():
        harness.put_between_markers(PAGE, name, text)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--cfg", default="panohead", show_default=True, help="Configuration by name or file.")
@click.option("--set", "assignments", multiple=True, metavar="A.B=C", help="Change a field of it.")
@click.option("--gpu", type=click.Choice(list(MACHINES)), default="h100", show_default=True)
@click.option("--count", type=click.IntRange(1, 512), default=8, show_default=True, help="GPUs.")
@click.option("--per-gpu", type=click.IntRange(1), default=PER_GPU, show_default=True, help="Images of a step on each.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp32",
    show_default=True,
    help="fp32: as the configuration says; tf32: with numerics.tf32; half: bf16 wherever it can be.",
)
@click.option("--write", "is_written", is_flag=True, help="Put all predictions and checks into docs/scaling.md.")
def main(
    cfg: str, assignments: tuple[str, ...], gpu: str, count: int, per_gpu: int, precision: str, is_written: bool
) -> None:
    """Predict how long a training takes."""
    if is_written:
        write()
        return
    config, machine = resolve(cfg, assignments), MACHINES[gpu]
    taken = predicted(config, machine, count, precision, per_gpu)
    click.echo(
        f"{cfg} on {count} {machine.name}, {precision}, batch {taken.images}: {taken.kimg_s:.3g} s per kimg, "
        f"{1e3 / taken.kimg_s:.3g} images/s, {taken.kimg_s * config.loop.total_nimg / 1e3 / 3600:.3g} h for the run.\n"
        f"A step: {1e3 * taken.compute_s:.1f} ms computing (calling operators takes {1e3 * taken.host_s:.1f}), "
        f"{1e3 * taken.update_s:.1f} ms for weights, {1e3 * taken.talk_s:.1f} ms for sums over ranks."
    )


if __name__ == "__main__":
    main()
