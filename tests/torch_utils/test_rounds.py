# SPDX-License-Identifier: Apache-2.0
import json
import threading

import pytest

from torch_utils.liveness import RankLostError
from torch_utils.rounds import agree_on_round


class MemoryStore:
    """What a round needs of a store."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def set(self, key: str, value: str, /) -> None:
        self.values[key] = value

    def check(self, keys: list[str], /) -> bool:
        return all(key in self.values for key in keys)

    def multi_get(self, keys: list[str], /) -> list[bytes]:
        return [self.values[key].encode() for key in keys]


def together(store: MemoryStore, num_ranks: int) -> set[str]:
    names: list[str] = []

    def come(rank: int) -> None:
        names.append(agree_on_round(store, rank, num_ranks, 10.0))

    ranks = [threading.Thread(target=come, args=[rank]) for rank in range(num_ranks)]
    for thread in ranks:
        thread.start()
    for thread in ranks:
        thread.join()
    assert len(names) == num_ranks
    return set(names)


def test_all_ranks_name_the_round_alike_and_every_round_differently() -> None:
    store = MemoryStore()
    rounds = [together(store, 3) for _ in range(4)]  # From the second on, all words of the one before are there.
    assert all(len(names) == 1 for names in rounds)
    assert len(set().union(*rounds)) == 4


def test_the_word_of_one_who_is_gone_makes_no_round() -> None:
    store = MemoryStore()
    store.set("word/1", "of one who was killed")
    with pytest.raises(RankLostError, match="a rank that was here before did not come"):
        agree_on_round(store, 0, 2, 0.3)
    assert json.loads(store.values["proposed"])[1] == "of one who was killed"
