# SPDX-License-Identifier: Apache-2.0
"""Runs a stage: steps, a frame of the progress now and then, losses read and the course saved at intervals.

The device is not waited for between the readings.
"""

import math
import threading
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from dnnlib.console import get_logger
from dnnlib.progress import progress
from training.data.images import encode_jpeg
from training.inversion.journal import Course
from training.inversion.schedule import is_flat
from training.inversion.stage import Made, Stage
from training.inversion.targets import Targets
from training.tensor_checks import values_trusted
from training.watch.pictures import colours

log = get_logger(__name__)

READ_EVERY = 10  # Steps; also between frames.
_SAVE_EVERY_S = 60.0
FRAME_SIZE = 512
_FRAME_QUALITY = 92


class InversionError(ValueError):
    """An inversion that cannot go on."""


def run(stage: Stage, course: Course, targets: Targets, save: Callable[[], None], stop: threading.Event) -> bool:
    """From the step the course is at. Whether it came to the end; if not, it was to stop, and is saved."""
    losses = course.losses.setdefault(stage.name, [])
    pending: list[Tensor] = []
    began_s, saved_s, before_s = time.monotonic(), time.monotonic(), course.elapsed_s
    with progress(stage.num_steps, stage.name, "step", course.step) as bar, values_trusted():
        while course.step < stage.num_steps:
            made = stage.step(course.step)
            pending.append(made.loss)
            if course.step % READ_EVERY == 0:
                course.frames.append(_frame(made, targets))
            course.step += 1
            bar.advance()
            is_asked, is_late = stop.is_set(), time.monotonic() - saved_s > _SAVE_EVERY_S
            is_due = course.step % READ_EVERY == 0 or course.step == stage.num_steps
            if not (is_due or is_asked or is_late):
                continue
            losses += torch.stack(pending).tolist()
            pending.clear()
            _check(losses[-1], stage, course.step)
            # Only where it is due: a run that was stopped is to come to the same.
            later = stage.after_plateau(course.step) if is_due and is_flat(losses) else course.step
            if later > course.step:
                log.info(f"{stage.name}: nothing is gained any more at step {course.step}; going on with step {later}")
                bar.advance(later - course.step)
                course.step = later
            now_s = time.monotonic()
            course.elapsed_s = before_s + now_s - began_s
            if is_asked or is_late:
                save()
                saved_s = now_s
            if is_asked:
                return False
    return True


def _check(loss: float, stage: Stage, step: int) -> None:
    if not math.isfinite(loss):
        raise InversionError(
            f"{stage.name}: the loss is {loss} before step {step}, so its numbers have left their range. With "
            "--precision=fp32 this should not happen; if it does, give another --seed"
        )


def _frame(made: Made, targets: Targets) -> bytes:
    """The target and the picture side by side."""
    pair = torch.stack([targets.images[made.views[0]], made.images[0]])
    if pair.shape[-1] > FRAME_SIZE:
        pair = interpolate(pair, size=(FRAME_SIZE, FRAME_SIZE), mode="area")
    return encode_jpeg(colours(torch.cat(list(pair.float().cpu()), dim=-1)), _FRAME_QUALITY)
