# SPDX-License-Identifier: Apache-2.0
"""Which processes belong together, where a store outlives those that were there before.

After a failure torchrun starts all ranks again with the same store. Machines count restarts each for itself, so no
number that it gives tells one round from another. Every process therefore brings a word of its own. The main rank
collects the words it finds into a *round*; whoever finds its own word there accepts it; and when all have, the round is
closed. The word of a process that is gone is accepted by nobody, and replaced when its successor comes.
"""

import json
import secrets
import time

from torch_utils.liveness import POLL_S, RankLostError, Store


def agree_on_round(store: Store, rank: int, world_size: int, timeout_s: float) -> str:
    """The same name on all ranks that were started together, and on no others."""
    own = secrets.token_hex(8)
    store.set(f"word/{rank}", own)
    deadline_s = time.monotonic() + timeout_s
    proposed = ""
    while time.monotonic() < deadline_s:
        if rank == 0:
            proposed = _proposal(store, world_size, own) or proposed
            if proposed and _is_accepted(store, world_size, proposed):
                store.set("round", proposed)
                return _name(proposed)
        else:
            proposed = _read(store, "proposed")
            if proposed and json.loads(proposed)[rank] == own:
                if _read(store, f"accepted/{rank}") != proposed:
                    store.set(f"accepted/{rank}", proposed)
                if _read(store, "round") == proposed:
                    return _name(proposed)
        time.sleep(POLL_S)
    absent = [other for other in range(world_size) if not _read(store, f"word/{other}")]
    who = f"rank{'s' * (len(absent) > 1)} {', '.join(map(str, absent))}" if absent else "a rank that was here before"
    raise RankLostError(f"{who} did not come to 'the start' within {timeout_s:g} s")


def _proposal(store: Store, world_size: int, own: str) -> str:
    """All words there are, once every rank has one; told to the others where it is new."""
    words = [own, *(_read(store, f"word/{rank}") for rank in range(1, world_size))]
    if not all(words):
        return ""
    proposed = json.dumps(words)
    if _read(store, "proposed") != proposed:
        store.set("proposed", proposed)
    return proposed


def _is_accepted(store: Store, world_size: int, proposed: str) -> bool:
    return all(_read(store, f"accepted/{rank}") == proposed for rank in range(1, world_size))


def _name(proposed: str) -> str:
    return json.loads(proposed)[0]  # A process comes once, so the main rank's word tells rounds apart.


def _read(store: Store, key: str) -> str:
    return store.multi_get([key])[0].decode() if store.check([key]) else ""
