# SPDX-License-Identifier: Apache-2.0
"""The rates that `make gpu` tells, with a network of seconds on a CPU."""

from pathlib import Path

import pytest
import torch

from benchmarks import throughput
from benchmarks.throughput import BF16, COMPILED, NO_ROOM, NO_TIME, PLAIN, TF32, Rate
from configs import resolve

ALLOWED = torch.backends.cudnn.allow_tf32


@pytest.mark.slow
def test_rows_have_all_ways_until_time_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "FRAMES", 3)
    monkeypatch.setattr(throughput, "_seconds", lambda work, device: work() or 0.5)
    monkeypatch.setitem(throughput.CHANGES, COMPILED, throughput.CHANGES[BF16])  # Compiling takes minutes.
    rows = throughput.measure("debug", (2,), "cpu", limit_s=1000)
    assert rows["orbit"][PLAIN].per_s == 6
    assert {rate.together for rate in rows["orbit"].values()} == {1, throughput.TOGETHER}
    assert {way: rate[:2] for way, rate in rows["training, batch 2"].items()} == dict.fromkeys(
        throughput.CHANGES, (4, 2)
    )
    assert torch.backends.cudnn.allow_tf32 == ALLOWED
    late = throughput.measure("debug", (2, 4), "cpu", limit_s=0)
    assert set(late["training, batch 4"].values()) == {NO_TIME}


@pytest.mark.parametrize(("fitting", "told"), [(2, Rate(1.0, 2, None)), (0, NO_ROOM)])
def test_what_does_not_fit_is_computed_in_parts_or_told(
    fitting: int, told: Rate | str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried = []

    def rate(config, folder, device) -> Rate:
        tried.append(config.loop.part)
        if config.loop.part > fitting:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Rate(1.0, config.loop.part, None)

    monkeypatch.setattr(throughput, "_training_rate", rate)
    assert throughput.training_rate(resolve("debug", ["loop.batch=8"]), TF32, tmp_path, "cpu") == told
    assert tried == [8, 4, 2, 1][: 3 if fitting else 4]


def test_what_cannot_be_compiled_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> Rate:
        raise RuntimeError("Cannot find a working triton installation.\nMore.")

    monkeypatch.setattr(throughput, "_training_rate", fail)
    config = resolve("debug")
    assert throughput.training_rate(config, COMPILED, tmp_path, "cpu").endswith("a working triton installation.")
    with pytest.raises(RuntimeError, match="triton"):
        throughput.training_rate(config, BF16, tmp_path, "cpu")


def test_the_table_tells_ratios_to_the_published_way() -> None:
    orbit = {PLAIN: Rate(10.0, 1, None), "TF32, 4, graph": Rate(85.0, 4, 2**30)}
    training = {PLAIN: Rate(5.0, 4, 2**34), TF32: Rate(12.5, 4, 2**33), BF16: Rate(16.0, 4, 2**32), COMPILED: NO_TIME}
    text = throughput.table({"orbit": orbit, "training, batch 4": training, "training, batch 64": {PLAIN: NO_ROOM}})
    assert "| TF32, 4, graph | 85.0 (4, 1.0 GiB) | **8.5 x** | |" in text
    assert f"| 16.0 (4, 4.0 GiB) | {NO_TIME} | **3.2 x** |" in text
    assert f"| batch 64 | {NO_ROOM} | {NO_TIME} | {NO_TIME} | {NO_TIME} |  |" in text
    assert "to reach 8 x" in text
    assert "to reach 3 x" in text
