# SPDX-License-Identifier: Apache-2.0
import json

from torch_utils.agreement import StopAgreement


def test_one_process_asks_nobody() -> None:
    agreed = StopAgreement()
    assert [agreed(asked) for asked in (False, False, True)] == [False, False, True]


# Rank 1 wishes to stop from its 30th step on. Ranks go at different speeds.
PROGRAM = """
import json, time
from torch_utils import agreement, distributed
from torch_utils.agreement import StopAgreement
agreement.INTERVAL_S = 0.1
with distributed.session("cpu", timeout_s=60):
    asked, gather = [], distributed.gather_json
    distributed.gather_json = lambda value: asked.append(1) or gather(value)
    agreed, steps = StopAgreement(), 0
    while True:
        steps += 1
        time.sleep(0.01 if distributed.rank() else 0.001)
        if agreed(distributed.rank() == 1 and steps >= 30):
            break
print("RESULT", json.dumps([steps, len(asked)]))
"""


def test_all_ranks_stop_after_the_same_step_and_do_not_ask_after_each(start_ranks) -> None:
    ranks = start_ranks(PROGRAM, 2)
    assert ranks.codes() == [0, 0], ranks.output(0) + ranks.output(1)
    results = [json.loads(ranks.output(rank).split("RESULT")[1]) for rank in range(2)]
    assert results[0] == results[1]
    steps, asked = results[0]
    assert 30 <= steps <= 80
    assert asked <= steps / 2
