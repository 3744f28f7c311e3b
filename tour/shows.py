# SPDX-License-Identifier: Apache-2.0
"""What the page shows of each part that is done, as HTML. `folder` is that of the page."""

import html
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from dnnlib.text import format_bytes, format_duration
from metrics.names import KINDS, parse
from metrics.record import Record, read
from training.watch.album import fakes_name, snapshots
from training.watch.history import History

_BETTER = {True: "lower", False: "higher", None: ""}


def film(folder: Path) -> str:
    """The turning heads, if they are there."""
    gif, video = folder / "heads" / "turn.gif", folder / "heads" / "turn.mp4"
    if not gif.exists():
        return ""
    width, height = _size(gif)
    sizes = f'width="{width}" height="{height}"'
    words = "Four heads turn once around"
    if not video.exists():
        return f'<img src="heads/turn.gif" {sizes} alt="{words}">'
    return (
        f'<a href="heads/turn.mp4"><video autoplay loop muted playsinline poster="heads/turn.gif" {sizes} '
        f'aria-label="{words}"><source src="heads/turn.mp4" type="video/mp4"></video></a>'
    )


def _heads(folder: Path) -> str:
    glb = folder / "heads" / "seed0000.glb"
    mesh = (
        f'The mesh of seed 0, drawn from six sides, with its texture and without. <a href="heads/{glb.name}">{glb.name}'
        f"</a> ({format_bytes(glb.stat().st_size)}) opens in Blender, in viewers, and in browsers."
    )
    sides = "Seeds 0 to 3, each from the front, by the left side, the back, and the right."
    return _figure(folder, "heads/grid0000.png", sides) + _figure(folder, "heads/shape.png", mesh)


def _data(folder: Path) -> str:
    words = "The first of the set. Masks, cameras and measures of each head are beside them."
    return _figure(folder, "data/heads_img-sheet.png", words)


def _training(folder: Path) -> str:
    run, history = folder / "training" / "run", History()
    for line in (run / "stats.jsonl").read_text(encoding="utf-8").splitlines():
        history.add(json.loads(line))
    shown = {
        "images shown": f"{history.nimg:,}",
        "time": format_duration(history.elapsed_s),
        "images per second": f"{history.nimg / max(history.elapsed_s, 1e-9):.3g}",
    }
    pictures = [_figure(folder, "training/run/reals.png", "What it is shown, from all around.")]
    if made := snapshots(run, history.nimg):
        words = f"What it makes after {made[-1]:,} images. A row is one head, seen from all around."
        pictures.insert(0, _figure(folder, f"training/run/{fakes_name(made[-1])}", words))
    return (
        f"{_facts(shown)}<p>That is how every training begins, and far from heads: those take some hundred thousand "
        'images. <a href="training/run/report.html">The page of this run</a> has curves, health and settings; the same '
        "command with a larger <code>--kimg</code> and without <code>--minutes</code> goes on.</p>"
        f'<div class="two">{"".join(pictures)}</div>'
    )


def _inversion(folder: Path) -> str:
    numbers = json.loads((folder / "inversion" / "truth.json").read_text(encoding="utf-8"))
    unseen_db = numbers["unseen_db"]
    shown = {
        "likeness to the picture that was given": f"{numbers['given_db']:.1f} dB",
        "to those that were not": f"{sum(unseen_db) / len(unseen_db):.1f} dB",
    }
    truth = (
        "Above, the head as it is; below, what was found, by the same cameras. One of the pictures above was given, "
        "with its camera and its mask. The head was chosen for where that camera stands, not for what came of it."
    )
    return (
        _facts(shown)
        + _figure(folder, "inversion/truth.png", truth)
        + _figure(folder, "inversion/found/sheet.png", "The search, and the tuning of the generator.")
    )


def _metrics(folder: Path) -> str:
    modes = {mode: _newest(folder / "metrics" / mode) for mode in ("all", "back")}
    rows = [
        f"<tr><td><code>{name}</code></td><td>{html.escape(KINDS[parse(name).kind].says)}</td>"
        + "".join(f'<td class="number">{_value(modes[mode].get(name))}</td>' for mode in modes)
        + f"<td>{_BETTER[KINDS[parse(name).kind].lower_is_better]}</td></tr>"
        for name in modes["all"]
    ]
    return (
        '<div class="wide"><table><tr><th>metric</th><th>what it is</th><th>all around</th><th>from behind</th>'
        f'<th>better</th></tr>{"".join(rows)}</table></div><p class="muted note">So few pictures make distances larger '
        "than they are, and the set is not quite the one that the model was trained with. The model's card, in "
        "<code>models/</code>, has numbers to quote.</p>"
    )


SHOWS: dict[str, Callable[[Path], str]] = {
    "heads": _heads,
    "data": _data,
    "training": _training,
    "inversion": _inversion,
    "metrics": _metrics,
}


def _figure(folder: Path, name: str, caption: str) -> str:
    """`caption` is HTML."""
    width, height = _size(folder / name)
    alt = html.escape(caption.partition(".")[0], quote=True)
    return (
        f'<figure><div class="wide"><img src="{quote(name)}" width="{width}" height="{height}" alt="{alt}"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def _facts(values: dict[str, str]) -> str:
    entries = "".join(f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in values.items())
    return f'<dl class="facts">{entries}</dl>'


def _newest(folder: Path) -> dict[str, Record]:
    """The last record of each metric, in the order of their names' kinds."""
    files: Iterable[Path] = folder.glob("metric-*.jsonl")
    found = {rows[-1]["metric"]: rows[-1] for rows in map(list, map(read, files)) if rows}
    order = list(KINDS)
    return dict(sorted(found.items(), key=lambda item: (order.index(parse(item[0]).kind), item[0])))


def _value(row: Record | None) -> str:
    if row is None:
        return ""
    if row["value"] is None:
        return "nothing to measure"
    spread = "" if row["spread"] is None else f" ± {row['spread']:.2g}"
    return f"{row['value']:.3g}{spread}"
