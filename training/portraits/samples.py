# SPDX-License-Identifier: Apache-2.0
"""What a user asks of gen_samples.py, as one value, and the pictures that it means: heads x views x kinds."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dnnlib.progress import Progress, progress
from training import generator_checks
from training.generator import Generator
from training.portraits.backdrops import Backdrop, OfSeed, check_backdrop, ground_of
from training.portraits.heads import Head, heads_of_files, heads_of_mix, heads_of_seeds
from training.portraits.kinds import Pictures, check_kinds, show
from training.portraits.manifest import manifest, numbers, write_manifest
from training.portraits.picture_files import PictureFiles
from training.portraits.seeds import check_seeds
from training.portraits.sitter import Sitter, seat_each
from training.portraits.tiles import Picture, check_sheet, tiled
from training.portraits.views import conditioning_label, focal_of, label_of_views, views_of
from training.shapes.export import ShapeReport, export_shapes
from training.shapes.grid import check_resolution
from training.shapes.level import NoSurfaceError

MANIFEST = "samples.json"
_DRAWN_TOGETHER = 64


@dataclasses.dataclass(frozen=True)
class SampleRequest:
    """The flags, by their names."""

    seeds: tuple[int, ...]
    latent: tuple[str, ...]
    mix: tuple[int, ...]
    mix_layers: tuple[int, ...] | None
    yaws: tuple[float, ...]
    pitches: tuple[float, ...]
    fov_deg: float
    what: tuple[str, ...]
    background: Backdrop | None
    trunc: float
    trunc_cutoff: int | None
    pose_cond: float
    nrr: int | None
    grid: tuple[int, int] | None
    separate: bool
    shapes: tuple[str, ...]  # Formats.
    shape_res: int


def check_request(request: SampleRequest) -> None:
    """Raises ValueError for what cannot work with any generator."""
    given = [name for name in ("seeds", "latent", "mix") if getattr(request, name)]
    if len(given) > 1:
        raise ValueError(f"Heads come from one place: give --{given[0]} or --{given[1]}, not both.")
    if request.mix and len(request.mix) != 2:
        raise ValueError(f"Two seeds are mixed, such as --mix 521,329, not {len(request.mix)}.")
    if request.mix_layers is not None and not request.mix:
        raise ValueError("--mix-layers says where the seeds of --mix change over: give --mix as well.")
    if not request.latent:
        check_seeds(request.seeds or request.mix)
    for what, numbers_given in (("Seed", request.seeds), ("Layer", request.mix_layers or ())):
        twice = [number for number, count in Counter(numbers_given).items() if count > 1]
        if twice:
            raise ValueError(f"{what} {twice[0]} is asked for twice, and both would be the same file.")
    if request.grid and request.separate:
        raise ValueError("--grid puts heads on one sheet, --separate every view into its own file: give one of them.")
    generator_checks.truncation(request.trunc, request.trunc_cutoff)
    focal_of(request.fov_deg)
    views_of(request.yaws, request.pitches)
    if request.nrr is not None:
        generator_checks.resolution(request.nrr)
    check_resolution(request.shape_res)


def make(G: Generator, request: SampleRequest, folder: Path, network: str, delta: str | None) -> list[Path]:
    """All pictures, and the manifest beside them. Returns the files."""
    views = views_of(request.yaws, request.pitches)
    if not request.separate:
        columns, rows = request.grid or (1, 1)
        check_sheet(columns * len(request.yaws), rows * len(request.pitches), G.img_resolution)
    check_kinds(G, request.what)
    check_backdrop(G, request.background)
    num_heads, groups = _heads(G, request)
    labels = label_of_views(G, views, request.fov_deg)

    heads: list[dict[str, Any]] = []
    written: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    with PictureFiles(folder) as files, progress(num_heads * len(views), "pictures", unit="img") as bar:
        seated = _exporting(G, request, folder, _seated(G, request, groups), shapes)
        for sheet in _sheets(request, _noting(_shots(G, request, labels, seated, bar), heads)):
            suffix = "" if sheet.kind == "image" else f"_{sheet.kind}"
            file = f"{sheet.name}{suffix}.png"
            files.write(file, sheet.pixels)
            written.append({"file": file, "kind": sheet.kind, "heads": sheet.heads, "views": sheet.views})

    content = manifest(
        G,
        network,
        delta,
        vars(request),
        views=[view._asdict() | {"label": numbers(label)} for view, label in zip(views, labels, strict=True)],
        heads=heads,
        pictures=written,
        shapes=shapes,
    )
    write_manifest(folder / MANIFEST, content)
    return [folder / made["file"] for made in (*written, *shapes)]


def _heads(G: Generator, request: SampleRequest) -> tuple[int, Iterator[list[Head]]]:
    """How many, and they in groups. Styles of seeds are drawn as they are wanted: there may be very many."""
    if request.latent:
        heads = heads_of_files(G, request.latent)
        return len(heads), iter([heads])
    if request.mix:
        heads = heads_of_mix(*_heads_of_seeds(G, request, request.mix), request.mix_layers)
        return len(heads), iter([heads])
    seeds, step = request.seeds, _DRAWN_TOGETHER
    groups = (_heads_of_seeds(G, request, seeds[start : start + step]) for start in range(0, len(seeds), step))
    return len(seeds), groups


def _heads_of_seeds(G: Generator, request: SampleRequest, seeds: Sequence[int]) -> list[Head]:
    conditioning = conditioning_label(G, request.pose_cond)
    return heads_of_seeds(G, seeds, conditioning, request.trunc, request.trunc_cutoff)


def _seated(G: Generator, request: SampleRequest, groups: Iterator[list[Head]]) -> Iterator[tuple[Head, Sitter]]:
    """Each head before the background that it is to have, if the generator draws that."""
    other = None
    if isinstance(request.background, OfSeed):
        (other,) = _heads_of_seeds(G, request, [request.background.seed])
    for heads in groups:
        for head, sitter in zip(heads, seat_each(G, torch.cat([head.ws for head in heads])), strict=True):
            behind = head.ws_background if other is None else other.ws
            yield head, sitter if behind is None else sitter.behind(_backdrop(G, behind))


def _noting(shots: Iterator[tuple[Head, Pictures]], heads: list[dict[str, Any]]) -> Iterator[tuple[Head, Pictures]]:
    """The same; what each head was made of is told to `heads`."""
    for head, pictures in shots:
        heads.append({"name": head.name, **head.made_of})
        yield head, pictures


def _shots(
    G: Generator,
    request: SampleRequest,
    labels: Float[Tensor, "views 25"],
    seated: Iterator[tuple[Head, Sitter]],
    bar: Progress[None],
) -> Iterator[tuple[Head, Pictures]]:
    """All views of each head."""
    ground = ground_of(request.background, G.img_resolution)
    for head, sitter in seated:
        parts = []
        for part in show(G, sitter, labels, request.what, raw_resolution=request.nrr, ground=ground):
            parts.append(part)
            bar.advance(len(part[request.what[0]]))
        yield head, {kind: np.concatenate([part[kind] for part in parts]) for kind in request.what}


def _exporting(
    G: Generator,
    request: SampleRequest,
    folder: Path,
    seated: Iterator[tuple[Head, Sitter]],
    reports: list[dict[str, Any]],
) -> Iterator[tuple[Head, Sitter]]:
    """The same heads; the shape of each is written after its pictures have been taken."""
    for head, sitter in seated:
        yield head, sitter
        paths = [folder / f"{head.name}.{kind}" for kind in request.shapes]
        if paths:
            try:
                made = export_shapes(G, sitter, paths, resolution=request.shape_res)
            except NoSurfaceError as error:
                raise NoSurfaceError(f"{head.name}: {error}") from None
            for report in made:
                reports.append({"file": report.path.name, "head": head.name, **_numbers_of(report)})


def _numbers_of(report: ShapeReport) -> dict[str, Any]:
    return {name: value for name, value in vars(report).items() if name != "path"}


@torch.no_grad()
def _backdrop(G: Generator, ws: Float[Tensor, "1 num_ws w_dim"]) -> Tensor | None:
    return G.backdrop(ws, "const")


# ----------------------------------------------------------------------------------------------------------------------
# Views to files: all of a head in a strip, each in a file of its own, or strips of several heads on a sheet.


class Sheet(NamedTuple):
    """What becomes a file."""

    name: str
    kind: str
    pixels: Picture
    heads: list[str]
    views: list[int]


def _sheets(request: SampleRequest, shots: Iterator[tuple[Head, Pictures]]) -> Iterator[Sheet]:
    columns = len(request.yaws)
    if request.separate:
        for head, pictures in shots:
            for kind, views in pictures.items():
                for i, view in enumerate(views):
                    yield Sheet(f"{head.name}_view{i:02d}", kind, view, [head.name], [i])
        return
    width, height = request.grid or (1, 1)
    for number in itertools.count():
        some = list(itertools.islice(shots, width * height))
        if not some:
            return
        names = [head.name for head, _ in some]
        for kind, views in some[0][1].items():
            pixels = tiled([tiled(list(pictures[kind]), columns) for _, pictures in some], width)
            yield Sheet(f"grid{number:04d}" if request.grid else names[0], kind, pixels, names, [*range(len(views))])
