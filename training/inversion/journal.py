# SPDX-License-Identifier: Apache-2.0
"""How far an inversion has come, as a file: a killed one goes on from there, and comes to the same result.

The *task* says what is inverted and how, as flat JSON; the file of another task is refused. Random numbers follow from
the seed and the number of a step, so weights, the optimizer and the losses are all that has to be kept.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_utils import checkpoint
from torch_utils.checkpoint import CheckpointError
from training.inversion.stage import Stage
from training.optimizer import load_state_tensors, state_tensors
from training.portraits.latents import Latent

NAME = "state.safetensors"
_FORMAT, _VERSION = "fullhead inversion", 1
Task = Mapping[str, Any]


@dataclasses.dataclass
class Course:
    """What has happened so far."""

    stage: str = "search"
    step: int = 0
    losses: dict[str, list[float]] = dataclasses.field(default_factory=dict)  # Of each stage.
    frames: list[bytes] = dataclasses.field(default_factory=list)  # JPEG.
    elapsed_s: float = 0.0
    latent: Latent | None = None  # Once the search is over.
    tensors: dict[str, Tensor] = dataclasses.field(default_factory=dict)  # Of the stage, not yet given back to it.

    def restore(self, stage: Stage, source: Path) -> None:
        """Gives a stage that was saved its weights and its optimizer."""
        if stage.name != self.stage or not self.tensors:
            return
        stage.module.load_state_dict(_under("module/", self.tensors))
        load_state_tensors(stage.optimizer, stage.module, _under("adam/", self.tensors), str(source))
        self.tensors = {}


def save(folder: Path, task: Task, course: Course, stage: Stage) -> None:
    """Makes the file, which is whole or not there."""
    tensors = {f"module/{name}": x for name, x in stage.module.state_dict().items()}
    if course.step < stage.num_steps:  # Nobody needs the optimizer any more, and it is twice as large.
        tensors |= {f"adam/{name}": x for name, x in state_tensors(stage.optimizer, stage.module).items()}
    tensors |= {
        f"frame/{i:05d}": torch.from_numpy(np.frombuffer(x, np.uint8).copy()) for i, x in enumerate(course.frames)
    }
    if course.latent is not None:
        tensors |= {f"latent/{name}": x for name, x in vars(course.latent).items() if x is not None}
    header = {"format": _FORMAT, "version": _VERSION, "task": dict(task)}
    header |= {key: getattr(course, key) for key in ("stage", "step", "losses", "elapsed_s")}
    checkpoint.write(folder / NAME, tensors, header)


def load(folder: Path, task: Task, device: torch.device) -> Course:
    """What the folder's file says; the beginning where there is none."""
    path = folder / NAME
    if not path.exists():
        return Course()
    try:
        tensors, header = checkpoint.read(path)
    except CheckpointError as error:
        raise ValueError(f"{error}\nRemove it to begin anew, or choose another --outdir") from None
    if header.get("format") != _FORMAT or header.get("version") != _VERSION:
        raise ValueError(f"{path}: is no state of an inversion that this version goes on with; choose another --outdir")
    others = [key for key in {**task, **header["task"]} if task.get(key) != header["task"].get(key)]
    if others:
        was, now = ({key: of.get(key) for key in others} for of in (header["task"], task))
        lines = "".join(f"\n  {key}: {was[key]}, now {now[key]}" for key in others)
        raise ValueError(
            f"{folder}: holds another inversion:{lines}\nGive the same command to go on with it, choose another "
            f"--outdir, or remove {NAME} to begin anew"
        )
    found = {name: x.to(device) for name, x in _under("latent/", tensors).items()}
    return Course(
        **{key: header[key] for key in ("stage", "step", "losses", "elapsed_s")},
        frames=[x.numpy().tobytes() for _, x in sorted(_under("frame/", tensors).items())],
        latent=Latent(**found) if found else None,
        tensors={name: x for name, x in tensors.items() if name.startswith(("module/", "adam/"))},
    )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
