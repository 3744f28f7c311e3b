# SPDX-License-Identifier: Apache-2.0
"""Whether losses, averages and lengths make sense together."""

from collections.abc import Iterator

from training.start_checks.finding import TRIAL_NIMG, Facts, Finding, refuse, warn
from training.starting_weights import without_ramps


def r1(facts: Facts) -> Iterator[Finding]:
    loss, inputs = facts.config.loss, facts.config.critic.inputs
    if loss.gamma == 0:
        yield from warn("without R1 (loss.gamma is 0) critics become too sure and training breaks off: --gamma=1")
    if loss.gamma_mask == 0 and "mask" in inputs:
        yield from warn("without R1 on masks (loss.gamma_mask is 0) the critic judges by them alone: --gamma_seg=1")


def average(facts: Facts) -> Iterator[Finding]:
    half_life, loop = facts.config.ema.half_life_nimg, facts.config.loop
    if half_life < loop.batch:
        yield from warn(
            f"the averaged generator forgets half within {half_life:g} pictures, less than a step: it is no average; "
            f"set ema.half_life_nimg to {loop.batch * 10_000 // 32}"
        )
    elif half_life > loop.total_nimg / 2 and loop.total_nimg > TRIAL_NIMG:
        yield from warn(
            f"the averaged generator, which is what is kept, lags {half_life:g} pictures behind in a run of "
            f"{loop.total_nimg}: set ema.half_life_nimg to {loop.total_nimg // 20}"
        )


def augmentation(facts: Facts) -> Iterator[Finding]:
    augment, loop = without_ramps(facts.config).augment, facts.config.loop
    if augment.mode == "none":
        return
    if not any(getattr(augment.transforms, name) for name in type(augment.transforms).model_fields):
        yield from warn("augmentation is on, but all of its transforms are off: set some of augment.transforms")
    if augment.mode == "fixed" and augment.p == 0:
        yield from warn("augmentation is on with probability 0: --p=0.2, or --aug=noaug")
    if augment.mode == "fixed" and augment.p > 0.85:
        yield from warn(f"with probability {augment.p:g} augmentations appear in generated pictures: --p=0.6 at most")
    if augment.mode == "adaptive" and augment.target <= 0:
        yield from warn(
            f"p rises until the critic takes most real pictures for generated ones (augment.target is "
            f"{augment.target:g}): --target=0.6"
        )
    if augment.mode == "adaptive" and augment.ramp_nimg > loop.total_nimg:
        yield from warn(
            f"p needs {augment.ramp_nimg} pictures to go from 0 to 1, more than the run has: set augment.ramp_nimg"
        )


def ramps(facts: Facts) -> Iterator[Finding]:
    schedule, resume, total = facts.config.schedule, facts.config.resume, facts.config.loop.total_nimg
    is_blurred = resume.source is None or resume.keep_ramps
    if is_blurred and schedule.blur_sigma > 0 and schedule.blur_nimg >= total > TRIAL_NIMG:
        yield from warn(
            f"critics see blurred pictures for {schedule.blur_nimg} images, longer than the run: --blur_fade_kimg, or "
            "--kimg"
        )


def length(facts: Facts) -> Iterator[Finding]:
    loop, resume = facts.config.loop, facts.config.resume
    if resume.start_nimg >= loop.total_nimg:
        yield from refuse(
            f"the run would begin with image {resume.start_nimg} (--resume_kimg) and end at {loop.total_nimg}: raise "
            "--kimg"
        )
    elif loop.total_nimg - resume.start_nimg < loop.tick_nimg:
        yield from warn(
            f"the run has {loop.total_nimg - resume.start_nimg} images and reports every {loop.tick_nimg}: nothing is "
            "said before its end; --tick"
        )
    if resume.start_nimg and resume.source is None:
        yield from warn(
            f"the run counts from image {resume.start_nimg} on (--resume_kimg), but with fresh weights: --resume"
        )


def frozen(facts: Facts) -> Iterator[Finding]:
    count = facts.config.frozen_critic_layers
    if count > facts.num_critic_layers:
        yield from refuse(f"the critic has {facts.num_critic_layers} layers to freeze, not {count}: --freezed")
    elif count and facts.config.resume.source is None:
        yield from warn(f"{count} layers of the critic stay as random as they begin: --freezed is for --resume")
