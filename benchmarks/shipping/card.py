# SPDX-License-Identifier: Apache-2.0
"""A model card as Markdown: a function of the record alone."""

import shlex
from typing import Any

from benchmarks.shipping.measuring import MODES
from benchmarks.shipping.pictures import FILM, SAMPLES
from benchmarks.shipping.record import Record
from dnnlib.text import command_lines, format_duration
from metrics.names import KINDS, parse

_MAX_ROWS = 12  # Of a curve.


def card(name: str, record: Record) -> str:
    """The page."""
    weights, training = record["weights"], record["training"]
    sections = [
        f"# {name}\n",
        _head(name, weights, training),
        "## Pictures\n",
        f"![Seeds 0 to 11, turning]({name}.gif)\n",
        _block(" ".join(["python gen_videos.py", f"--network={name}", *FILM, f"--output={name}.gif"])),
        f"![Seeds 0 to 15 from eight sides]({name}.png)\n",
        "Seeds 0 to 15, not selected, without truncation, each from eight sides (0, 45, ... degrees to the subject's "
        "left); scripts truncate by 0.7 unless told otherwise.\n",
        _block(" ".join(["python gen_samples.py", f"--network={name}", *SAMPLES])),
        "## Numbers\n",
        _numbers(record["measured"], record["measured_with"]),
        "## Known faults\n",
        _faults(record["faults"]),
        "## How it was made\n",
        _made(name, training),
        "This page, its record, its pictures and the file were written by\n",
        _block(f"python benchmarks/model_card.py runs/{name} --name {name}"),
    ]
    return "\n".join(sections)


def _head(name: str, weights: Record, training: Record) -> str:
    side = training["resolution"]
    return (
        f"Heads of {side} x {side} pixels that can be seen from all around, of people who do not exist: a "
        f"`{training['config']}` trained on procedural heads. It has never seen a photograph, and is meant for trying "
        f"things out, for tests, and as a start for trainings.\n\n"
        f"`load_generator({name!r})`, and the default of every script if it is called `heads`. "
        f"{weights['bytes'] / 1e6:.1f} MB: the averaged generator, stored in {weights['stored']} and computed in fp32. "
        f"Of its pictures, the one that is least like that of the unrounded generator is within "
        f"{weights['alike_db']:.0f} dB of it (peak 2). The critic is not shipped.\n\n"
        f"Licence: {training['licence']}. Digest: `{weights['digest']}`.\n"
    )


def _numbers(measured: dict[str, dict[str, Any]], with_: Record) -> str:
    lines = [
        f"Against {_reals(measured)} of the {training_pictures(with_)} of the training set (front, back: those of that "
        "side), psi 1, seed 0. "
        "Names, modes, and the spread behind `±` are those of [metrics](../docs/metrics.md). Lower is better.\n",
        "| | " + " | ".join(MODES) + " |",
        "|---|" + "---|" * len(MODES),
    ]
    lines += [
        f"| `{name}` | " + " | ".join(_value(measured[mode].get(name)) for mode in MODES) + " |"
        for name in measured[MODES[0]]
    ]
    lines += ["\nHead by head, the same in every mode:\n", "| | | what | better |", "|---|---|---|---|"]
    better = {True: "lower", False: "higher", None: ""}
    for name, row in measured["heads"].items():
        kind = KINDS[parse(name).kind]
        lines.append(f"| `{name}` | {_value(row)} | {kind.says} | {better[kind.lower_is_better]} |")
    return "\n".join(lines) + "\n"


def _reals(measured: dict[str, dict[str, Any]]) -> str:
    """How many pictures of the training set distances were measured by: a metric draws no more than it needs."""
    return f"up to {max(row['counts']['real'] for mode in MODES for row in measured[mode].values()):,}"


def training_pictures(with_: Record) -> str:
    return f"{with_['data']['items']:,} pictures" + (" (half of them mirrored)" if with_["data"]["mirrored"] else "")


def _value(row: Record | None) -> str:
    if row is None or row["value"] is None:
        return "nothing to measure"
    spread = "" if row["spread"] is None else f" ± {row['spread']:.2g}"
    return f"{row['value']:.4g}{spread}"


def _faults(faults: list[str]) -> str:
    if not faults:
        return "Nobody has written down any yet. That does not say there are none: look at the pictures.\n"
    return "\n".join(f"- {fault}" for fault in faults) + "\n"


def _made(name: str, training: Record) -> str:
    data = training["data_command"]
    parts = ["The same data are made by\n", _block(command_lines(shlex.split(data)))] if data else []
    for number, stage in enumerate(training["stages"], 1):
        parts += [_stage(number, stage), _block(command_lines(shlex.split(stage["command"])))]
        parts.append(
            f"{stage['images']:,} images were shown, in {format_duration(stage['seconds'])} on {stage['device']}, "
            f"by PyTorch {stage['torch']} and commit `{(stage['commit'] or 'unknown')[:12]}`.\n"
        )
    for number, (metric, points) in enumerate(training["curves"].items()):
        parts += [] if number else [f"![{metric} over the run]({name}-curve.png)\n"]
        parts.append(_curve(metric, points))
    return "\n".join(parts)


def _stage(number: int, stage: Record) -> str:
    if number > 1:
        return "Then, with the weights that it had come to:\n"
    if stage["began_from"] is None:
        return "The training, which began with fresh weights:\n"
    return f"The training, which began with the weights of {stage['began_from']['file']}:\n"


def _curve(metric: str, points: list[list[float]]) -> str:
    every = -(-len(points) // _MAX_ROWS)
    shown_points = points[::-1][::every][::-1]  # With the last one.
    heads = " | ".join(f"{nimg / 1000:g}" for nimg, _ in shown_points)
    values = " | ".join(f"{value:.3g}" for _, value in shown_points)
    rule = "---|" * (len(shown_points) + 1)
    return f"| thousand images | {heads} |\n|{rule}\n| `{metric}` | {values} |\n"


def _block(command: str) -> str:
    return f"```\n{command}\n```\n"
