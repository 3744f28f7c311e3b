# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import time

import pytest
import torch
from torch import nn

from torch_utils import distributed, replicas

PREAMBLE = """
import json, os, sys, time, torch
from torch import nn
from torch_utils import distributed, replicas
from torch_utils.liveness import RankLostError
rank = distributed.rank()
def tell(word):
    print(word, flush=True)
def refused(act):
    try:
        act()
    except replicas.InconsistentRanksError as error:
        return str(error)
"""

TOGETHER = (
    PREAMBLE
    + """
results = {}
with distributed.session("cpu", timeout_s=60) as device:
    results["place"] = [rank, distributed.world_size(), distributed.is_main(), str(device)]
    grads = [
        torch.full((2, 3), float(rank)),
        torch.tensor(float(rank)),
        torch.full((4,), float(rank), dtype=torch.bfloat16),
        torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last) * (rank + 1),
        torch.zeros(0),
    ]
    distributed.average_(grads)
    distributed.average_([])
    results["average"] = [[g.flatten().tolist(), str(g.dtype), g.is_contiguous()] for g in grads]

    torch.manual_seed(rank)
    own = torch.randn(1000)
    mean = own.clone()
    distributed.average_([mean])
    results["rounded"] = [distributed.gather_json(own.tolist()), mean.tolist()]

    sums = [torch.tensor([2**53 + rank]), torch.tensor(0.5), torch.tensor([rank], dtype=torch.int32)]
    distributed.sum_(sums)
    results["sum"] = [s.tolist() for s in sums]

    values = [torch.tensor([rank, -0.0, float("nan")]), torch.tensor(rank == 1), torch.tensor([7 * rank])]
    distributed.broadcast_(values, src=1)
    results["broadcast"] = [values[0].view(torch.int32).tolist(), values[1].item(), values[2].tolist()]
    results["json"] = distributed.gather_json({"rank": rank, "text": "\\u00e9" * 100 * rank})

    net = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    with torch.no_grad():
        net[0].weight.copy_(torch.arange(6.0).view(3, 2, 1, 1))
        net[0].bias.fill_(float("nan"))
        net[1].bias[1] = rank
    replicas.broadcast_module(net, src=2)
    results["module"] = net[1].bias.tolist()
    results["equal"] = refused(lambda: replicas.check_consistency(net))
    with torch.no_grad():
        net[1].weight[2] += 0.25 * (rank == 1)
        net[1].num_batches_tracked += rank == 2
    results["unequal"] = refused(lambda: replicas.check_consistency(net))
    with_nan = {"x": torch.tensor([1.0, float("nan") if rank else 2.0])}
    results["nan"] = refused(lambda: replicas.check_consistency(with_nan))
    with_sign = {"x": torch.zeros(2) * (-1.0 if rank == 2 else 1.0)}
    results["sign"] = refused(lambda: replicas.check_consistency(with_sign))
    with_names = {"w": own} if rank else {"w": own, "b": own}
    results["names"] = refused(lambda: replicas.check_consistency(with_names))
    results["shapes"] = refused(lambda: replicas.broadcast_module(nn.Linear(2 + rank // 2, 1)))
    results["none"] = refused(lambda: replicas.check_consistency({}))
    distributed.barrier("the last word")
print("RESULT", json.dumps(results))
"""
)


@pytest.fixture(scope="module")
def together(start_ranks):
    ranks = start_ranks(TOGETHER, 3)
    codes = ranks.codes()
    assert codes == [0, 0, 0], "\n".join(ranks.output(rank) for rank in range(3))
    return [json.loads(ranks.output(rank).split("RESULT")[1]) for rank in range(3)]


def on_all(together, name):
    """What every rank found, which must be the same."""
    assert together[0][name] == together[1][name] == together[2][name]
    return together[0][name]


def test_each_rank_knows_its_place(together):
    assert [found["place"] for found in together] == [[rank, 3, rank == 0, "cpu"] for rank in range(3)]


def test_tensors_of_all_kinds_are_averaged(together):
    matrix, scalar, half, channels_last, empty = on_all(together, "average")
    assert matrix == [[1.0] * 6, "torch.float32", True]
    assert scalar == [[1.0], "torch.float32", True]
    assert half == [[1.0] * 4, "torch.bfloat16", True]
    assert channels_last == [[2.0 * value for value in range(24)], "torch.float32", False]
    assert empty[0] == []


def test_a_mean_that_was_rounded_has_the_same_bits_everywhere(together):
    values, mean = on_all(together, "rounded")
    torch.testing.assert_close(torch.tensor(mean), torch.tensor(values).mean(0))


def test_integers_are_added_exactly_and_beside_floats(together):
    assert on_all(together, "sum") == [[3 * 2**53 + 3], 1.5, [3]]


def test_a_broadcast_keeps_every_bit(together):
    expected = torch.tensor([1, -0.0, float("nan")]).view(torch.int32).tolist()
    assert on_all(together, "broadcast") == [expected, True, [7]]


def test_values_are_gathered_in_the_order_of_the_ranks(together):
    assert on_all(together, "json") == [{"rank": rank, "text": "é" * 100 * rank} for rank in range(3)]


def test_a_module_is_made_equal_with_its_buffers(together):
    assert on_all(together, "module") == [0, 2, 0]
    assert on_all(together, "equal") is None
    assert on_all(together, "none") is None


def test_the_first_tensor_that_differs_is_named_with_ranks_and_size(together):
    message = on_all(together, "unequal")
    assert "'1.weight' differs between ranks: [1] from [0, 2], in up to 1 of 3 elements, by up to 0.25." in message
    assert "2 of 7 tensors differ" in message


def test_a_difference_by_nan_or_sign_bit_is_found(together):
    assert "[0] from [1, 2], in up to 1 of 2 elements, by up to inf" in on_all(together, "nan")
    assert "[2] from [0, 1], in up to 2 of 2 elements, by up to 0" in on_all(together, "sign")


def test_modules_of_different_structure_are_refused_before_anything_is_sent(together):
    assert "rank 0 has 'b' float32 [1000] where rank 1 has nothing" in on_all(together, "names")
    assert "rank 0 has 'weight' float32 [1, 2] where rank 2 has 'weight' float32 [1, 3]" in on_all(together, "shapes")


# What follows loses a rank. Two ranks are lost by a signal, one by an exception.

SILENCE_S = 6
# Three seconds after a broken connection and as long as `silence_s` without one, then the end of a blocked process. The
# rest is for a busy machine.
STATED_S = 45

WAITING = (
    PREAMBLE
    + f"""
with distributed.session("cpu", timeout_s=120, silence_s={SILENCE_S}):
    grads = [torch.ones(10)]
    distributed.average_(grads)
    distributed.barrier("all are ready")
    tell("ready")
    if rank == 1:
        FAULT
    while True:
        distributed.average_(grads)
"""
)


@pytest.fixture(scope="module")
def faults(start_ranks):
    """Three runs at a time, because they mostly wait: name -> the ranks, and when the fault began."""
    runs = {
        "killed": start_ranks(WAITING.replace("FAULT", "pass"), 2),
        "stopped": start_ranks(WAITING.replace("FAULT", "pass"), 2),
        "raised": start_ranks(WAITING.replace("FAULT", "raise ValueError('no such planes')"), 3),
    }
    for ranks in runs.values():
        deadline = time.monotonic() + 90
        while not all("ready" in ranks.output(rank) for rank in ranks.processes):
            assert time.monotonic() < deadline, "\n".join(map(ranks.output, ranks.processes))
            time.sleep(0.05)
    runs["killed"].processes[1].kill()
    os.kill(runs["stopped"].processes[0].pid, signal.SIGSTOP)
    return runs


def end_in_time(ranks, rank):
    start = time.monotonic()
    code = ranks.processes[rank].wait(STATED_S)
    return code, ranks.output(rank), time.monotonic() - start


def test_the_survivor_of_a_killed_rank_ends_and_names_it(faults):
    code, output, _ = end_in_time(faults["killed"], 0)
    assert code == 1
    assert "rank 1 gave no sign of life" in output


def test_the_others_end_with_the_exception_of_the_rank_that_failed(faults):
    for rank in (0, 2):
        code, output, _ = end_in_time(faults["raised"], rank)
        assert code == 1
        assert "rank 1 ended with ValueError: no such planes" in output
    assert "ValueError: no such planes" in end_in_time(faults["raised"], 1)[1]


def test_the_survivor_of_a_suspended_rank_ends_and_names_it_though_no_connection_broke(faults):
    code, output, _ = end_in_time(faults["stopped"], 1)
    assert code == 1
    assert "rank 0 (it holds the store at 127.0.0.1:" in output
    assert "does not answer: suspended or cut off" in output


def test_a_rank_alone_at_the_start_names_those_who_did_not_come(start_ranks):
    program = PREAMBLE + "with distributed.session('cpu', timeout_s=3, silence_s=0.4): tell('never')"
    ranks = start_ranks(program, 3, start=range(1))
    assert ranks.codes() == [1]
    assert "ranks 1, 2 did not come to 'the start' within 3 s" in ranks.output(0)


# What follows needs one process only.


def test_everything_works_alone_without_a_group():
    module, tensor = nn.BatchNorm1d(3), torch.ones(2)
    with distributed.session("cpu") as device:
        assert device == torch.device("cpu")
        distributed.average_([tensor])
        distributed.sum_([tensor])
        distributed.broadcast_([tensor])
        replicas.broadcast_module(module)
        replicas.check_consistency(module)
        distributed.barrier("here")
        assert distributed.gather_json([1]) == [[1]]
    assert tensor.tolist() == [1, 1]
    assert (distributed.rank(), distributed.world_size(), distributed.local_rank()) == (0, 1, 0)
    assert distributed.is_main()


def test_a_mean_of_integers_is_refused():
    with pytest.raises(ValueError, match=r"not of torch\.int64: use sum_"):
        distributed.average_([torch.ones(2), torch.arange(3)])


@pytest.mark.parametrize(
    ("environment", "device", "message"),
    [
        ({"RANK": "one", "WORLD_SIZE": "2"}, "cpu", "RANK is 'one', not a number"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "cpu", "RANK is 2 and WORLD_SIZE 2"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "cpu", "not MASTER_ADDR and MASTER_PORT"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "mps", "on cuda or cpu, not on mps"),
        ({"RANK": "99", "WORLD_SIZE": "100", "LOCAL_RANK": "99"}, "cuda", "Process 99 of this machine finds"),
    ],
)
def test_an_environment_that_cannot_work_is_refused(environment, device, message, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message), distributed.session(device):
        pytest.fail("there is no such session")


def test_a_batch_systems_rank_alone_is_not_a_run_of_several(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    assert distributed.rank() == 0
    assert distributed.world_size() == 1
