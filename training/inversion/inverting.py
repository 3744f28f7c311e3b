# SPDX-License-Identifier: Apache-2.0
"""The whole of an inversion: search, tuning, and what is left in the folder."""

import copy
import hashlib
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from torch_utils.checkpoint import weights_digest
from training.generator import Generator
from training.inversion import journal, loop
from training.inversion.journal import Course, Task
from training.inversion.likeness import Likeness
from training.inversion.mean_styles import MeanStyles, mean_styles
from training.inversion.searching import Search
from training.inversion.settings import Settings
from training.inversion.stage import Stage
from training.inversion.targets import Targets
from training.inversion.tuning import Tuning
from training.portraits.latents import Latent
from training.pretrained.delta import round_as_stored


@dataclass(frozen=True, eq=False)
class Inversion:
    """What came of it. `tuned` is `base` itself where nothing was tuned, else what base and its delta file give."""

    base: Generator
    tuned: Generator
    mean: MeanStyles
    latent: Latent
    course: Course


def invert(
    base: Generator,
    targets: Targets,
    settings: Settings,
    likeness: Likeness,
    folder: Path,  # Exists.
    stop: threading.Event,
    start: Latent | None = None,  # What a search has found before; then there is none here.
) -> Inversion | None:
    """On the device of the generator. None if it was stopped: the same call goes on."""
    device = next(base.parameters()).device
    targets = targets.to(device)
    base.eval().requires_grad_(False)
    task = task_of(base, targets, settings, likeness, start)
    course = journal.load(folder, task, device)
    mean = mean_styles(base)
    if course.latent is None:
        course.latent = start and _complete(start, targets)
        if course.latent is None:
            search = Search(base, targets, mean, settings, likeness)
            course.restore(search, folder / journal.NAME)
            if not _ran(search, course, targets, folder, task, stop):
                return None
            course.latent = search.found()
        course.stage, course.step = Tuning.name, 0
    if settings.num_tuning_steps == 0:
        return Inversion(base, base, mean, course.latent, course)
    tuned = copy.deepcopy(base)
    tuning = Tuning(base, tuned, course.latent, targets, settings, likeness)
    course.restore(tuning, folder / journal.NAME)
    if not _ran(tuning, course, targets, folder, task, stop):
        return None
    journal.save(folder, task, course, tuning)
    round_as_stored(base, tuned)
    return Inversion(base, tuned.requires_grad_(False), mean, course.latent, course)


def task_of(
    base: Generator, targets: Targets, settings: Settings, likeness: Likeness, start: Latent | None
) -> dict[str, Any]:
    """What decides the result, as flat JSON."""
    pictures = [targets.images, targets.labels] + ([] if targets.masks is None else [targets.masks])
    return {
        **asdict(settings),
        "targets": ", ".join(targets.names),
        "people": targets.num_heads,
        "masks": targets.masks is not None,
        "perceptual": likeness.name,
        "pictures (digest)": _digest(pictures),
        "generator (digest)": weights_digest(base),
        "precision": base.config.precision,
        "latent (digest)": None if start is None else _digest([start.ws]),
    }


def _digest(tensors: list[Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        digest.update(tensor.contiguous().cpu().numpy())
    return digest.hexdigest()


def _ran(stage: Stage, course: Course, targets: Targets, folder: Path, task: Task, stop: threading.Event) -> bool:
    return loop.run(stage, course, targets, lambda: journal.save(folder, task, course, stage), stop)


def _complete(start: Latent, targets: Targets) -> Latent:
    """With a row for every head, and the cameras of the targets where the file has none of its own."""
    if len(start.ws) != targets.num_heads:
        raise ValueError(f"The latent has {len(start.ws)} heads, and the targets show {targets.num_heads}.")
    labels = start.labels if start.labels is not None and len(start.labels) == len(targets) else targets.labels
    return Latent(start.ws, labels.to(start.ws.device), start.ws_background)
