# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from metrics import store
from metrics.collect import collect
from metrics.store import BLOCK, Store, key_of, store_of


class Work:
    """Rows that follow from the number of the item; remembers what it was asked for."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[int] = []
        self.fails_at = fails_at

    def __call__(self, indices: torch.Tensor, names: Sequence[str]) -> dict[str, torch.Tensor]:
        if self.fails_at is not None and self.fails_at in indices:
            raise KeyboardInterrupt
        self.asked += indices.tolist()
        rows = {"a": torch.stack([indices, indices**2], dim=1), "b": indices[:, None, None] * torch.ones(1, 2, 3)}
        return {name: rows[name] for name in names}


def collected(counts: dict[str, int], store: Store, work: Work, batch: int = 10) -> dict[str, torch.Tensor]:
    return collect(counts, work, store, batch=batch, description="rows")


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_every_item_has_its_row_whatever_the_batch(batch: int) -> None:
    work = Work()
    rows = collected({"a": 150, "b": 70}, Store(None), work, batch)
    assert rows["a"][:, 0].tolist() == list(range(150))
    assert rows["a"][-1].tolist() == [149, 149**2]
    assert rows["b"].shape == (70, 2, 3)
    assert rows["b"][69].unique().tolist() == [69]
    assert sorted(work.asked) == list(range(150)), "an item that two names want is worked on once"


def test_what_was_killed_goes_on_after_its_last_whole_block(tmp_path: Path) -> None:
    kept = Store(tmp_path / "rows")
    with pytest.raises(KeyboardInterrupt):
        collected({"a": 200}, kept, Work(fails_at=170))
    again = Work()
    rows = collected({"a": 200}, kept, again)
    assert sorted(again.asked) == list(range(2 * BLOCK, 200))
    assert torch.equal(rows["a"], collected({"a": 200}, Store(None), Work())["a"])


def test_more_items_need_only_what_is_not_there(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    collected({"a": 100}, kept, Work())
    more, other = Work(), Work()
    collected({"a": 130}, kept, more)
    assert sorted(more.asked) == list(range(BLOCK, 130)), "the second block was not whole"
    collected({"a": 50, "b": 50}, kept, other)
    assert sorted(other.asked) == list(range(50)), "only b is new"


def test_a_damaged_block_is_computed_again(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    collected({"a": 10}, kept, Work())
    path = next(tmp_path.glob("a-*"))
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    work = Work()
    assert collected({"a": 10}, kept, work)["a"][9, 0] == 9
    assert len(work.asked) == 10


def test_a_disk_that_cannot_be_written_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    warnings = []
    monkeypatch.setattr(store.log, "warning", warnings.append)
    assert len(collected({"a": 500}, Store(tmp_path / "file" / "rows"), Work())["a"]) == 500
    assert len(warnings) == 1, "eight blocks were lost, which is told once"
    assert "FULLHEAD_CACHE" in warnings[0]


def test_stores_are_known_by_facts_in_any_order(tmp_path: Path) -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1}) != key_of({"a": 1, "b": [3]})
    kept = store_of(tmp_path, {"a": 1})
    collected({"a": 5}, kept, Work())
    assert kept.folder.exists()
    kept.drop()
    assert not kept.folder.exists()
