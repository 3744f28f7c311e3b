# SPDX-License-Identifier: Apache-2.0
"""Rows of numbers about items 0, 1, 2, ...: computed block by block, dealt to the ranks, kept, put together again.

An item's row does not depend on the number of ranks, nor on where a killed process stopped: blocks are what is dealt
and kept, and a batch never reaches over the end of one.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from dnnlib.progress import progress
from metrics.store import BLOCK, Store
from torch_utils import distributed

Work = Callable[[Int64[Tensor, " n"], Sequence[str]], Mapping[str, Float32[Tensor, "n ..."]]]


def collect(
    counts: Mapping[str, int], work: Work, store: Store, *, batch: int, description: str, unit: str = "img"
) -> dict[str, Float32[Tensor, "count ..."]]:
    """Under each name the rows of so many items, on every rank. `work` is asked for the names that are wanted of items.

    Names that want the same item get it from one call: a picture is rendered once, whoever looks at it.
    """
    blocks = range(-(-max(counts.values()) // BLOCK))
    own = blocks[distributed.rank() :: distributed.world_size()]
    parts: dict[str, dict[int, Tensor]] = {name: {} for name in counts}
    for block in own:
        for name, num_rows in _wanted(counts, block).items():
            rows = store.read(name, block, num_rows)
            if rows is not None:
                parts[name][block] = rows
    missing = {
        block: {name: n for name, n in _wanted(counts, block).items() if block not in parts[name]} for block in own
    }
    total = sum(max(_wanted(counts, block).values()) for block in own)
    left = sum(max(names.values(), default=0) for names in missing.values())
    with progress(total, description, unit, done_before=total - left) as bar:
        for block, names in missing.items():
            if not names:
                continue
            for name, rows in _computed(block, names, work, batch, bar.advance).items():
                store.write(name, block, rows)
                parts[name][block] = rows
    return _together(counts, parts)


def _wanted(counts: Mapping[str, int], block: int) -> dict[str, int]:
    """How many rows of a block belong to each name; names that want none are left out."""
    left = {name: min(count - block * BLOCK, BLOCK) for name, count in counts.items()}
    return {name: rows for name, rows in left.items() if rows > 0}


def _computed(
    block: int, names: Mapping[str, int], work: Work, batch: int, advance: Callable[[int], None]
) -> dict[str, Tensor]:
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    items = torch.arange(max(names.values()))
    for places in items.split(batch):
        asked = [name for name, rows in names.items() if rows > places[0]]
        with torch.no_grad():
            rows = work(block * BLOCK + places, asked)
        for name in asked:
            found[name].append(rows[name].detach().float().cpu()[: names[name] - int(places[0])])
        advance(len(places))
    return {name: torch.cat(pieces) for name, pieces in found.items()}


def _together(counts: Mapping[str, int], parts: Mapping[str, Mapping[int, Tensor]]) -> dict[str, Tensor]:
    # A rank without blocks does not know how long a row is.
    own = {name: list(next(iter(blocks.values())).shape[1:]) for name, blocks in parts.items() if blocks}
    shapes = {name: shape for known in distributed.gather_json(own) for name, shape in known.items()}
    rows = {}
    for name, count in counts.items():
        rows[name] = torch.zeros(count, *shapes[name])
        for block, part in parts[name].items():
            rows[name][block * BLOCK : block * BLOCK + len(part)] = part
    distributed.sum_(list(rows.values()))  # All others have zeros there, so nothing is rounded.
    return rows
