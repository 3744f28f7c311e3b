# SPDX-License-Identifier: Apache-2.0
"""report.html: one file that needs nothing else, with all that one wants to know of a run.

It is a function of what it is told and of the picture files in the run's folder. It loads nothing and runs no script.
"""

import dataclasses
import html
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from dnnlib.config import to_json
from dnnlib.config_paths import differences
from dnnlib.svg_charts import short
from dnnlib.text import format_duration
from training.run_config import RunConfig
from training.watch import album, charts
from training.watch.health import Judged
from training.watch.history import History
from training.watch.pictures import KINDS

_LATEST_WIDTH, _OTHER_WIDTH, _EARLIER_WIDTH = 1200, 640, 420
_NUM_EARLIER = 6
_TITLES = {"image": "Pictures", "raw": "Before super-resolution", "depth": "Depth", "mask": "Mask"}


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a page tells, besides the pictures."""

    config: RunConfig
    preset: RunConfig | None  # What the configuration was made from.
    environment: Mapping[str, str]
    history: History
    judged: Sequence[Judged]
    ended: str | None = None  # Why the run stopped, if it did before its end.


def page(folder: Path, facts: Facts) -> str:
    """The whole text."""
    name = html.escape(facts.config.name)
    sections = [
        _head(facts),
        _section("Health", _health(facts)),
        _section("Pictures", _pictures(folder, facts.history.nimg)),
        _section("Curves", f'<p class="muted">Over images shown to the critic.</p>{_charts(facts.history)}'),
        _section("To go on", _continuation(folder)),
        _section("Configuration", _configuration(facts)),
        _section("Environment", _table((), facts.environment.items())),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_style()}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )


def _head(facts: Facts) -> str:
    history, total = facts.history, facts.config.loop.total_nimg
    share = min(history.nimg / total, 1.0)
    shown = {"images": f"{history.nimg:,}", "of": f"{total:,}", "done": f"{100 * share:.1f} %"}
    shown["time"] = format_duration(history.elapsed_s)
    if "images_per_s" in history.curves and (rate := history.curves["images_per_s"].recent()) > 0:
        shown["images per second"] = f"{rate:.3g}"
        if history.nimg < total and facts.ended is None:
            shown["left"] = format_duration((total - history.nimg) / rate)
    entries = "".join(f"<div><dt>{key}</dt><dd>{html.escape(value)}</dd></div>" for key, value in shown.items())
    written = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return (
        f'<h1>{html.escape(facts.config.name)}</h1><p class="muted">As of {written}.</p>'
        f'<dl class="facts">{entries}</dl><div class="bar"><i style="width:{100 * share:.2f}%"></i></div>'
    )


def _health(facts: Facts) -> str:
    cards = [] if facts.ended is None else [_card("The run stopped.", facts.ended)]
    sounding = [judged for judged in facts.judged if judged.sounds]
    for alarm, value, _ in sounding:
        cards.append(_card(f"{alarm.title} is {short(value)}.", f"{alarm.says} What usually helps: {alarm.helps}"))
    if not cards:
        cards.append('<div class="card good"><b>Nothing is out of its range.</b></div>')
    rows = [
        (alarm.title.rstrip(","), "not told yet" if value is None else short(value), alarm.limit, _state(value, sounds))
        for alarm, value, sounds in facts.judged
    ]
    table = _table(("what is watched", "now", "alarm", ""), rows)
    return f"{''.join(cards)}<details><summary>All that is watched</summary>{table}</details>"


def _state(value: float | None, sounds: bool) -> str:
    return "" if value is None else "out of range" if sounds else "in range"


def _card(title: str, text: str) -> str:
    return f'<div class="card bad"><p><b>{html.escape(title)}</b> {html.escape(text)}</p></div>'


def _pictures(folder: Path, nimg: int) -> str:
    made = album.snapshots(folder, nimg)
    if not made:
        return '<p class="muted">None yet.</p>'
    latest = made[-1]
    files = {kind: folder / album.fakes_name(latest, kind) for kind in KINDS}
    when = _when(latest)
    top = [
        _picture(files["image"], _LATEST_WIDTH, f"{_TITLES['image']}, {when}"),
        _picture(folder / "reals.png", _LATEST_WIDTH, "Real ones, from all around"),
    ]
    others = [_picture(files[kind], _OTHER_WIDTH, f"{_TITLES[kind]}, {when}") for kind in KINDS[1:]]
    earlier = [
        _picture(folder / album.fakes_name(each), _EARLIER_WIDTH, _when(each))
        for each in album.chosen(made, _NUM_EARLIER)
    ]
    words = (
        "Every row is one latent code, every column one azimuth, from the averaged generator without truncation. The "
        "codes are the same at every snapshot, and styles are mapped under the front camera."
    )
    return (
        f'<p class="muted">{words}</p><div class="pictures">{"".join(top)}</div>'
        f'<div class="pictures three">{"".join(others)}</div>'
        f'<h2>From the first to the latest</h2><div class="pictures earlier">{"".join(earlier)}</div>'
    )


def _when(nimg: int) -> str:
    return f"after {nimg:,} images" if nimg else "before training"


def _picture(path: Path, max_width: int, title: str) -> str:
    picture = album.small(path, max_width)
    if picture is None:
        return ""
    alt = html.escape(title, quote=True)
    return (
        f'<figure><figcaption>{html.escape(title)}</figcaption><img src="{picture.uri}" width="{picture.width}" '
        f'height="{picture.height}" alt="{alt}"></figure>'
    )


def _charts(history: History) -> str:
    return f'<div class="charts">{"".join(charts.figures(history))}</div>'


def _continuation(folder: Path) -> str:
    run = html.escape(shlex.quote(str(folder.absolute())))
    return (
        "<p>The command that started the run continues it from its newest save. So does this one, in the folder of the "
        f"code:</p><pre>python train.py --run={run}</pre>"
    )


def _configuration(facts: Facts) -> str:
    whole = f"<details><summary>All of it</summary><pre>{html.escape(to_json(facts.config))}</pre></details>"
    if facts.preset is None:
        return whole
    changed = [
        (path, json.dumps(before), json.dumps(now))
        for path, before, now in differences(facts.preset, facts.config)
        if before != now
    ]
    if not changed:
        return f"<p>As <code>{html.escape(facts.preset.name)}</code>.</p>{whole}"
    return _table(("field", f"in {facts.preset.name}", "here"), changed) + whole


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(f'<td class="number">{html.escape(str(cell))}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{f'<tr>{head}</tr>' if heads else ''}{body}</table>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


@cache
def _style() -> str:
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
