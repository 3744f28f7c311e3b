# SPDX-License-Identifier: Apache-2.0
import os
import threading
import time

import pytest

from torch_utils.liveness import Liveness, RankLostError

BEAT_S = 0.05


class Memory:
    """A store in this process, which can break or block like one whose holder died or was suspended."""

    def __init__(self):
        self.values = {}
        self.lock = threading.Lock()
        self.broken = False
        self.answers = threading.Event()
        self.answers.set()

    def access(self):
        self.answers.wait()
        if self.broken:
            raise RuntimeError("Connection was likely closed")
        return self.lock

    def set(self, key, value):
        with self.access():
            self.values[key] = value.encode()

    def check(self, keys):
        with self.access():
            return all(key in self.values for key in keys)

    def multi_get(self, keys):
        with self.access():
            return [self.values[key] for key in keys]

    def compare_set(self, key, expected, desired):
        with self.access():
            if self.values.get(key, b"").decode() == expected:
                self.values[key] = desired.encode()
            return self.values[key]


class World:
    """Ranks as objects in one process. `exits` takes down who would have ended the process."""

    def __init__(self, num_ranks, timeout_s=60.0, silence_s=4 * BEAT_S):
        self.store = Memory()
        self.exits = []
        self.ranks = [
            Liveness(
                self.store, rank, num_ranks, holder="rank 0", holds=False, timeout_s=timeout_s, silence_s=silence_s
            )
            for rank in range(num_ranks)
        ]

    def start(self):
        self.everyone(Liveness.start)

    def everyone(self, act):
        threads = [threading.Thread(target=act, args=[rank], daemon=True) for rank in self.ranks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def make_world(monkeypatch):
    worlds = []
    monkeypatch.setattr(os, "_exit", lambda code: worlds[-1].exits.append((threading.current_thread(), code)))

    def make(*args, **kwargs):
        worlds.append(World(*args, **kwargs))
        return worlds[-1]

    yield make
    for world in worlds:
        world.store.answers.set()
        for rank in world.ranks:
            rank.ended.set()
            rank.found.set()
    time.sleep(3 * BEAT_S)  # The watching threads notice, while os._exit is still harmless.


def suspend(rank):
    """Stop the beat without a word, as SIGSTOP or SIGKILL would."""
    rank.ended.set()


def test_ranks_that_live_find_nothing_and_end_together(make_world):
    world = make_world(3, silence_s=12 * BEAT_S)  # A busy machine keeps a thread waiting.
    world.start()
    world.everyone(lambda rank: rank.meet("halfway"))
    time.sleep(16 * BEAT_S)
    world.everyone(Liveness.end)
    assert not any(rank.found.is_set() for rank in world.ranks)
    assert world.exits == []


def test_a_silent_rank_is_named_by_all_others(make_world):
    world = make_world(3)
    world.start()
    suspend(world.ranks[1])
    for rank in (world.ranks[0], world.ranks[2]):
        assert rank.found.wait(10)
        assert rank.verdict.startswith("rank 1 gave no sign of life for 0.2 s")
        with pytest.raises(RankLostError, match="rank 1"), rank.collective("average_"):
            pytest.fail("a collective without rank 1 would wait for ever")


def test_a_late_rank_is_named_with_where_it_is_and_where_the_others_wait(make_world):
    world = make_world(3, timeout_s=8 * BEAT_S)
    world.start()
    for rank in (world.ranks[0], world.ranks[2]):
        threading.Thread(target=wait_in_native_code, args=[rank], daemon=True).start()
    assert world.ranks[0].found.wait(10)
    assert "rank 1 did not come within 0.4 s to 'average_' (collective 2)" in world.ranks[0].verdict
    assert "still running after 'the start'" in world.ranks[0].verdict


def wait_in_native_code(rank):
    with rank.collective("average_"):
        rank.ended.wait(60)


def test_a_process_blocked_in_a_collective_is_ended(make_world, capfd):
    world = make_world(2)
    world.start()
    threading.Thread(target=wait_in_native_code, args=[world.ranks[0]], daemon=True).start()
    suspend(world.ranks[1])
    wait_until(lambda: world.exits)
    assert [code for _, code in world.exits] == [1]
    assert "Rank 0 ends" in (message := capfd.readouterr().err)
    assert "rank 1 gave no sign of life" in message
    assert "wait_in_native_code" in message, "the stack shows where the process was blocked"


def test_a_process_that_leaves_by_itself_in_time_is_not_ended(make_world):
    world = make_world(2, silence_s=20 * BEAT_S)  # It has as long to leave.
    world.start()
    suspend(world.ranks[1])
    assert world.ranks[0].found.wait(10)
    world.ranks[0].fail(RankLostError(world.ranks[0].verdict))
    time.sleep(24 * BEAT_S)
    assert world.exits == []


def test_an_exception_on_one_rank_is_told_to_the_others(make_world):
    world = make_world(3)
    world.start()
    world.ranks[2].fail(MemoryError("no room for the planes\nmore lines"))
    for rank in world.ranks[:2]:
        assert rank.found.wait(10)
        assert rank.verdict == "rank 2 ended with MemoryError: no room for the planes"


def test_who_is_lost_later_does_not_change_the_verdict(make_world):
    world = make_world(3)
    world.start()
    world.ranks[2].fail(ValueError("first"))
    world.ranks[1].fail(ValueError("second"))
    assert world.ranks[0].found.wait(10)
    assert {rank.verdict for rank in world.ranks} == {"rank 2 ended with ValueError: first"}


def test_a_broken_connection_becomes_the_name_of_the_rank(make_world):
    world = make_world(2, silence_s=400 * BEAT_S)
    world.ranks[0].beat_s = world.ranks[1].beat_s = BEAT_S  # Silence alone would take 400 beats.
    world.start()
    suspend(world.ranks[1])
    with pytest.raises(RankLostError, match="rank 1 gave no sign of life") as caught, world.ranks[0].collective("sum_"):
        raise RuntimeError("Connection closed by peer [127.0.0.1]:31876")
    assert "Connection closed" in str(caught.value.__cause__)


def test_an_error_while_all_ranks_live_stays_what_it_is(make_world):
    world = make_world(2)
    world.start()
    with pytest.raises(RuntimeError, match="Invalid scalar type"), world.ranks[0].collective("sum_"):
        raise RuntimeError("Invalid scalar type")
    assert not world.ranks[0].found.is_set()


def test_who_does_not_come_to_a_meeting_is_named(make_world):
    world = make_world(4, timeout_s=0.5)
    with pytest.raises(RankLostError, match=r"ranks 1, 2, 3 did not come to 'the download' within 0\.5 s"):
        world.ranks[0].meet("the download")


def test_a_lost_store_names_its_holder(make_world):
    world = make_world(2)
    world.start()
    world.store.broken = True
    assert world.ranks[1].found.wait(10)
    assert world.ranks[1].verdict.startswith("rank 0 cannot be reached")


def test_a_store_that_does_not_answer_names_its_holder(make_world):
    world = make_world(2)
    world.start()
    world.store.answers.clear()
    assert world.ranks[1].found.wait(10)
    assert world.ranks[1].verdict.startswith("rank 0 does not answer")


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
