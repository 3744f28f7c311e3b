# SPDX-License-Identifier: Apache-2.0
"""A step never waits for the device: tests/gpu asks a GPU, these ask tensors without data, on a device of their own.

An operator whose result depends on values fails there, and so does a look at a value. What is sent from the host is
noticed, since a GPU is waited for unless `to_device` sends it, or a batch that lies in pinned memory.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from configs import resolve
from tests.training.runs import EVERYTHING
from torch_utils import transfer
from training.run_folder import RunFolder
from training.schedules import step_values
from training.trainer import Trainer
from training.types import Batch

META = torch.device("meta")


class Sent(TorchDispatchMode):
    """Notes where tensors go from the host to the device, or back."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        devices = {x.device.type for x in tree_leaves((args, result)) if isinstance(x, torch.Tensor) and x.ndim > 0}
        if len(devices) > 1 and not _called_by(transfer.to_device):
            self.places.add(f"{func}: {_ours()}")
        return result


def _frames() -> list[Any]:
    frame, frames = sys._getframe(2), []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _called_by(function: Callable) -> bool:
    code = getattr(function, "__wrapped__", function).__code__
    return any(frame.f_code is code for frame in _frames())


def _ours() -> str:
    ours = (f for f in _frames() if {"training", "torch_utils"} & set(Path(f.f_code.co_filename).parts))
    return next((f"{Path(f.f_code.co_filename).name}:{f.f_lineno}" for f in ours), "elsewhere")


def batch_of(trainer: Trainer, device: torch.device) -> Batch:
    config = trainer.config
    size = config.generator.resolution
    image = torch.randint(256, (config.loop.batch, 4, size, size), dtype=torch.uint8)
    index = torch.arange(config.loop.batch)
    return Batch(image[:, :3], image[:, 3:], {"camera": trainer.dataset.labels[index]}, index).to(device)


@pytest.mark.parametrize(
    "assignments",
    [
        pytest.param((), marks=pytest.mark.slow),
        ("augment.mode=fixed", "augment.p=0.5", "loss.label_noise=0.5", "schedule.raw_resolution=12"),
        pytest.param(
            ("generator.precision=bf16", "critic.num_half_precision=2", "loss.density_kind=total-variation"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("loss.density_kind=monotonic-fixed", "loop.part=2", "frozen_critic_layers=2"), marks=pytest.mark.slow
        ),
    ],
)
def test_nothing_in_a_step_looks_at_a_value_or_sends_what_is_waited_for(
    assignments: tuple[str, ...], heads: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: None)  # PyTorch's own: fused, but not for this device.
    data = (f"data.img_data={heads[0]}", f"data.seg_data={heads[1]}", "data.workers=0", "loop.batch=4")
    trainer = Trainer(resolve("debug", [*data, *EVERYTHING, *assignments]), RunFolder(tmp_path), META)
    batch = batch_of(trainer, META)
    values = step_values(trainer.config.schedule, trainer.config.generator.renderer.resolution, 0)
    with Sent() as sent:
        trainer.step(batch, 0, values)  # All phases are due at image 0.
    assert sent.places == set()


def test_what_is_sent_in_passing_is_noticed() -> None:
    here, there = torch.arange(3), torch.empty(3, device=META)
    with Sent() as sent:
        transfer.to_device(here, META)
        there.add_(torch.ones(()))  # A number of its own goes along with the call.
        assert sent.places == set()
        there.copy_(here)
        here.to(META)
    assert {place.partition(":")[0] for place in sent.places} == {"aten.copy_.default", "aten._to_copy.default"}
