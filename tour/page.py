# SPDX-License-Identifier: Apache-2.0
"""index.html: what a tour has made so far, with the commands that made it. It runs no script and needs no network.

Links are relative, so the folder may be moved or sent. A browser that cannot play the film shows its poster, which is
the same film as a GIF.
"""

import html
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dnnlib.text import command_lines, format_duration
from tour.checks import Checked
from tour.doing import Outcome, Tour
from tour.parts import Part
from tour.shows import SHOWS, film
from training.pretrained.sources import find

_STATE = {
    "done": "done in {}",
    "failed": "failed",
    "left out": "left out",
    "stopped": "stopped after {}",
    "waiting": "not done yet",
}
_FAILED = ' class="failed"'
_OWN_MODEL = """\
python dataset_tool.py synth --num 10000 --img_dest heads_img.zip --seg_dest heads_seg.zip
python train.py --cfg=panohead_small --run=runs/mine --img_data=heads_img.zip --seg_data=heads_seg.zip
python gen_videos.py --network=runs/mine --seeds=0-3 --grid=2x2"""


def page(tour: Tour, checked: Sequence[Checked], machine: str) -> str:
    """The whole text."""
    sections = [_part(tour, part) for part in tour.parts]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>FullHead: a tour</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_style()}</style></head><body><main>{_head(tour)}{''.join(sections)}"
        f"{_machine(tour, checked, machine)}{_end()}</main></body></html>\n"
    )


def _head(tour: Tour) -> str:
    entries = "".join(
        f'<li><a href="#{part.name}">{html.escape(part.title)}{_state(tour.outcomes[part.name])}</a></li>'
        for part in tour.parts
    )
    return (
        f'<h1>Heads that can be seen from all around</h1><p class="lead">{_about_model(tour.network)}</p>'
        f'<div class="hero">{film(tour.folder)}</div>'
        "<p>Everything on this page was made on this machine by <code>make demo</code>, with the commands that stand "
        "below each part. Nothing was downloaded, and no head was selected: they are the first few seeds.</p>"
        f'<ol class="steps">{entries}</ol>'
    )


def _about_model(network: str) -> str:
    """What the model is; of one that is shipped, as its record says it."""
    try:
        path = find(network)
        training = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["training"]
        side, num_images = training["resolution"], training["images"]
        duration = format_duration(sum(stage["seconds"] for stage in training["stages"]))
        device = training["stages"][-1]["device"]
    except (OSError, ValueError, KeyError):
        return f"Four heads of people who do not exist, by the model <code>{html.escape(network)}</code>."
    return (
        "Four heads of people who do not exist, by the model that is shipped with FullHead. It is small: "
        f"{num_images:,} pictures of {side} x {side} pixels were shown to it, in "
        f"{duration} on {html.escape(device)}. They were of heads "
        "that a program drew; it has never seen a photograph."
    )


def _part(tour: Tour, part: Part) -> str:
    outcome = tour.outcomes[part.name]
    parts = [
        f'<section id="{part.name}"><header><h2>{html.escape(part.title)}</h2>{_state(outcome)}</header>',
        f"<p>{html.escape(part.says)}</p>",
    ]
    if outcome.why:
        parts.append(f'<div class="card">{html.escape(outcome.why[:1].upper() + outcome.why[1:])}.</div>')
    if outcome.status == "done":
        parts.append(SHOWS[part.name](tour.folder))
    commands = "\n".join(command_lines(["python", *command]) for command in part.commands)
    return "".join([*parts, f"<pre><code>{html.escape(commands)}</code></pre></section>"])


def _state(outcome: Outcome) -> str:
    words = _STATE[outcome.status].format(format_duration(outcome.seconds))
    kind = {"done": "done", "failed": "failed", "left out": "failed"}.get(outcome.status, "")
    return f'<span class="state {kind}">{words}</span>'


def _machine(tour: Tour, checked: Sequence[Checked], machine: str) -> str:
    rows = "".join(
        f"<tr><td>{each.name}</td><td{'' if each.holds else _FAILED}>{'ok' if each.holds else 'failed'}</td>"
        f'<td>{html.escape(each.line)}</td><td class="number">{each.seconds:.1f} s</td></tr>'
        for each in checked
    )
    took = (
        f"The parts that are there took {format_duration(tour.seconds)} in all, "
        f"and these checks {format_duration(sum(each.seconds for each in checked))}."
    )
    return (
        f'<section id="machine"><h2>This machine</h2><p class="muted">{html.escape(machine)}. {took}</p>'
        f'<div class="wide"><table>{rows}</table></div></section>'
    )


def _end() -> str:
    words = (
        "A model of your own takes hours on a few cores; a training that was stopped goes on by the same command. "
        "README.md says what else there is, such as the published weights of PanoHead, which make portraits of "
        "512 x 512 pixels."
    )
    code = html.escape(_OWN_MODEL)
    return f'<section id="on"><h2>To go on</h2><p>{words}</p><pre><code>{code}</code></pre></section>'


@cache
def _style() -> str:
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
