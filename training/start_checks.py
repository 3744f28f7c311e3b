# SPDX-License-Identifier: Apache-2.0
"""What is known to go wrong, found before the first step: pure functions of configuration, data and machine.

A *finding* refuses the run or warns of it, and says what to do. Checks that need no more than the configuration's own
bounds are not here: a configuration that breaks them cannot be written.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal

from dnnlib.text import format_bytes
from training.data.facts import DataFacts
from training.machine_facts import MachineFacts
from training.run_config import RunConfig

FEW_IMAGES = 1_000  # Critics know fewer by heart before the generator has learned anything.
_TRIAL_NIMG = 20_000  # Shorter runs are trials; nobody expects a head.


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with its remedy."""

    severity: Literal["refuse", "warn"]
    text: str


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that is known before a run."""

    config: RunConfig
    data: DataFacts
    machine: MachineFacts
    needed_bytes: int | None = None  # Predicted, for one process; None: certainly little.
    save_bytes: int = 0
    num_critic_layers: int = 10**6


Check = Callable[[Facts], Iterator[Finding]]


def findings(facts: Facts) -> list[Finding]:
    """Of all checks: refusals first."""
    found = [finding for check in CHECKS for finding in check(facts)]
    return sorted(found, key=lambda finding: finding.severity)


def _refuse(text: str) -> Iterator[Finding]:
    yield Finding("refuse", text)


def _warn(text: str) -> Iterator[Finding]:
    yield Finding("warn", text)


# ----------------------------------------------------------------------------------------------------------------------
# The data.


def resolution(facts: Facts) -> Iterator[Finding]:
    wanted, given = facts.config.generator.resolution, facts.data.resolution
    if wanted != given:
        yield from _refuse(
            f"generator.resolution is {wanted}, but the pictures of the data set have {given} x {given} pixels: name a "
            f"configuration without setting its resolution, and it follows the data, or make pictures of that size "
            f"with `dataset_tool.py pack --resolution {wanted}x{wanted}`"
        )


def cameras(facts: Facts) -> Iterator[Finding]:
    data = facts.data
    if not facts.config.data.use_labels:
        yield from _refuse("data.use_labels is off (--cond=False): pictures are rendered under the cameras of the data")
    elif data.num_without_label == data.num_images:
        yield from _refuse(
            "no picture of the data set has a camera: add labels to its dataset.json (`dataset_tool.py cameras` "
            "converts camera files)"
        )
    elif data.num_without_label:
        yield from _warn(f"{data.num_without_label} of {data.num_images} pictures have no camera, and end the run when "
                         "they are drawn: pack the set anew without them, or set data.damaged=skip")  # fmt: skip
    if data.camera_problem is not None:
        yield from _refuse(f"the cameras of the data set are not what they should be: {data.camera_problem}")


def masks(facts: Facts) -> Iterator[Finding]:
    config = facts.config
    looks = "mask" in config.critic.inputs
    if looks and not facts.data.has_masks:
        yield from _refuse(
            "the critic looks at masks, and the data set has none: name them with --seg_data, or make them with "
            "`dataset_tool.py masks`; --cfg=eg3d needs none"
        )
    if not looks and config.generator.background:
        yield from _warn(
            "the generator draws backgrounds, but the critic does not see masks, so nothing tells it where the head "
            'ends: add "mask" to critic.inputs, or set generator.background=no'
        )
    if not looks and config.data.seg_data is not None:
        yield from _warn("masks are given (--seg_data), but the critic does not look at them: --cfg=panohead does")


def mirrored(facts: Facts) -> Iterator[Finding]:
    config, data = facts.config, facts.data
    flips = config.augment.mode != "none" and config.augment.transforms.x_flip > 0
    if config.data.mirror or flips:
        return
    if not 0.35 < data.right_share < 0.65:
        side = "right" if data.right_share > 0.5 else "left"
        share = max(data.right_share, 1 - data.right_share)
        yield from _warn(
            f"{share:.0%} of the sideways cameras are on the {side} of the head, and pictures are not mirrored: the "
            "other side will be poor; --mirror=1 shows both"
        )
    elif data.num_images < 10 * FEW_IMAGES:
        yield from _warn(f"{data.num_images} pictures are few, and they are not mirrored: --mirror=1 doubles them")


def enough_images(facts: Facts) -> Iterator[Finding]:
    config, shown = facts.config, facts.data.num_images * (1 + facts.config.data.mirror)
    if shown < FEW_IMAGES and config.augment.mode == "none" and config.loop.total_nimg > _TRIAL_NIMG:
        yield from _warn(
            f"the critic will know {shown} pictures by heart: augment them (--aug=ada), or start from trained weights "
            "(--resume)"
        )


def backs(facts: Facts) -> Iterator[Finding]:
    config, data = facts.config, facts.data
    is_round = config.generator.field.depth > 1 and config.data.selection.max_yaw_deg > 90
    if is_round and data.num_without_label < data.num_images and data.back_share < 0.01:
        yield from _warn(
            "no head is seen from behind: what is there will be invented. Add such pictures, or say that you do not "
            "want them with --max_yaw=90"
        )


def views(facts: Facts) -> Iterator[Finding]:
    config = facts.config
    if config.generator.mapping.camera_scale == 0 and facts.data.azimuth_spread_deg > 5:
        yield from _warn(
            "styles do not follow from the camera, though the data set has several views: what differs between views "
            "in the data (smiles towards the camera, say) will bend the shape; --gen_pose_cond=True lets styles have it"
        )
    if config.generator.mapping.camera_scale > 0 and config.schedule.swap_probability == 1:
        yield from _warn(
            "styles always follow from another picture's camera (schedule.swap_probability is 1), so they cannot learn "
            "anything from it: --gpc_reg_prob=0.7, or --gen_pose_cond=False"
        )


# ----------------------------------------------------------------------------------------------------------------------
# How space is sampled.


def depths(facts: Facts) -> Iterator[Finding]:
    generator = facts.config.generator
    near, far, half = generator.renderer.near, generator.renderer.far, generator.field.box_size / 2
    measured = facts.data.camera_radius
    radius = measured if measured == measured else generator.camera_radius  # noqa: PLR0124 - it may be no number
    if (far is not None and far <= radius - half) or (near is not None and near >= radius + half):
        yield from _refuse(
            f"samples from {near:g} to {far:g} miss the box around the head, which cameras at {radius:.2f} see from "
            f"{radius - half:.2f} to {radius + half:.2f}: set --ray_start and --ray_end so, or "
            "generator.renderer.near=null and far=null, which follow the box"
        )
    elif (far is not None and far < radius + half / 2) or (near is not None and near > radius - half / 2):
        yield from _warn(
            f"samples from {near:g} to {far:g} leave out much of the box around the head, which cameras at "
            f"{radius:.2f} see from {radius - half:.2f} to {radius + half:.2f}: --ray_start, --ray_end"
        )
    if abs(radius / generator.camera_radius - 1) > 0.1:
        yield from _warn(
            f"the cameras of the data set are {radius:.2f} away from the origin, not {generator.camera_radius:g}: set "
            f"generator.camera_radius={radius:.2f}, by which pictures and videos aim their cameras"
        )


def raw_size(facts: Facts) -> Iterator[Finding]:
    generator = facts.config.generator
    rays = max(generator.renderer.resolution, facts.config.schedule.raw_resolution or 0)
    if rays > generator.superresolution.in_resolution:
        yield from _warn(
            f"{rays} x {rays} rays are rendered and then reduced to {generator.superresolution.in_resolution}, which "
            "is all that super-resolution reads: --neural_rendering_resolution_initial and _final"
        )


# ----------------------------------------------------------------------------------------------------------------------
# Batches and memory.


def batches(facts: Facts) -> Iterator[Finding]:
    loop, group, ranks = facts.config.loop, facts.config.critic.group_size, facts.machine.num_ranks
    if loop.batch % ranks:
        yield from _refuse(
            f"a batch of {loop.batch} cannot be shared by {ranks} processes: "
            f"--batch={_near_multiple(loop.batch, ranks)}"
        )
        return
    share = loop.batch // ranks
    part = min(loop.part or share, share)
    if share % part:
        yield from _refuse(
            f"{part} pictures at a time (--batch-gpu) do not divide the {share} of each process: choose "
            f"{_listed(n for n in range(1, share + 1) if share % n == 0 and n % group == 0) or share}"
        )
    elif part < group or part % group:
        fitting = [n for n in range(group, share + 1, group) if share % n == 0]
        remedy = (
            f"--batch-gpu={_listed(fitting)}"
            if fitting
            else f"--batch={_near_multiple(loop.batch, ranks * group)}, or --mbstd-group={part}"
        )
        yield from _refuse(
            f"the critic compares {group} pictures with each other (critic.group_size), but {part} are computed "
            f"together{f' in each of {ranks} processes' if ranks > 1 else ''}: {remedy}"
        )
    if group == 1:
        yield from _warn(
            "the critic compares every picture with itself (critic.group_size is 1), so it cannot see that all are "
            "alike: --mbstd-group=4"
        )


def memory(facts: Facts) -> Iterator[Finding]:
    needed, available = facts.needed_bytes, facts.machine.available_bytes
    if needed is None or available is None or needed < 0.9 * available:
        return
    loop, group = facts.config.loop, facts.config.critic.group_size
    share = loop.batch // facts.machine.num_ranks
    part = min(loop.part or share, share)
    where = "the GPU" if facts.machine.device_type == "cuda" else "memory"
    each = " for each process" if facts.machine.num_local_ranks > 1 else ""
    smaller = [n for n in range(group, part, group) if share % n == 0 and n <= 0.8 * part * available / needed]
    remedy = (
        f"--batch-gpu={smaller[-1]} computes fewer pictures together, with the same result"
        if smaller
        else "no smaller --batch-gpu helps: choose a smaller configuration, bf16 (--g_num_fp16_res, --d_num_fp16_res), "
        "or fewer rays (--neural_rendering_resolution_initial)"
    )
    text = (
        f"training takes about {format_bytes(needed)}{each}, and {where} has {format_bytes(available)} free: {remedy}"
    )
    # The prediction may be wrong by a fifth.
    yield Finding("refuse" if needed > 1.2 * available else "warn", text)


# ----------------------------------------------------------------------------------------------------------------------
# Losses and schedules.


def r1(facts: Facts) -> Iterator[Finding]:
    loss, inputs = facts.config.loss, facts.config.critic.inputs
    if loss.gamma == 0:
        yield from _warn("without R1 (loss.gamma is 0) critics become too sure and training breaks off: --gamma=1")
    if loss.gamma_mask == 0 and "mask" in inputs:
        yield from _warn("without R1 on masks (loss.gamma_mask is 0) the critic judges by them alone: --gamma_seg=1")


def average(facts: Facts) -> Iterator[Finding]:
    half_life, loop = facts.config.ema.half_life_nimg, facts.config.loop
    if half_life < loop.batch:
        yield from _warn(
            f"the averaged generator forgets half within {half_life:g} pictures, less than a step: it is no average; "
            f"set ema.half_life_nimg to {loop.batch * 10_000 // 32}"
        )
    elif half_life > loop.total_nimg / 2 and loop.total_nimg > _TRIAL_NIMG:
        yield from _warn(
            f"the averaged generator, which is what is kept, lags {half_life:g} pictures behind in a run of "
            f"{loop.total_nimg}: set ema.half_life_nimg to {loop.total_nimg // 20}"
        )


def augmentation(facts: Facts) -> Iterator[Finding]:
    augment, loop = facts.config.augment, facts.config.loop
    if augment.mode == "none":
        return
    if not any(getattr(augment.transforms, name) for name in type(augment.transforms).model_fields):
        yield from _warn("augmentation is on, but all of its transforms are off: set some of augment.transforms")
    if augment.mode == "fixed" and augment.p == 0:
        yield from _warn("augmentation is on with probability 0: --p=0.2, or --aug=noaug")
    if augment.mode == "fixed" and augment.p > 0.85:
        yield from _warn(f"with probability {augment.p:g} augmentations appear in generated pictures: --p=0.6 at most")
    if augment.mode == "adaptive" and augment.target <= 0:
        yield from _warn(
            f"p rises until the critic takes most real pictures for generated ones (augment.target is "
            f"{augment.target:g}): --target=0.6"
        )
    if augment.mode == "adaptive" and augment.ramp_nimg > loop.total_nimg:
        yield from _warn(
            f"p needs {augment.ramp_nimg} pictures to go from 0 to 1, more than the run has: set augment.ramp_nimg"
        )


def ramps(facts: Facts) -> Iterator[Finding]:
    schedule, resume, total = facts.config.schedule, facts.config.resume, facts.config.loop.total_nimg
    is_blurred = resume.source is None or resume.keep_ramps
    if is_blurred and schedule.blur_sigma > 0 and schedule.blur_nimg >= total > _TRIAL_NIMG:
        yield from _warn(
            f"critics see blurred pictures for {schedule.blur_nimg} images, longer than the run: --blur_fade_kimg, or "
            "--kimg"
        )


def length(facts: Facts) -> Iterator[Finding]:
    loop, resume = facts.config.loop, facts.config.resume
    if resume.start_nimg >= loop.total_nimg:
        yield from _refuse(
            f"the run would begin with image {resume.start_nimg} (--resume_kimg) and end at {loop.total_nimg}: raise "
            "--kimg"
        )
    elif loop.total_nimg - resume.start_nimg < loop.tick_nimg:
        yield from _warn(
            f"the run has {loop.total_nimg - resume.start_nimg} images and reports every {loop.tick_nimg}: nothing is "
            "said before its end; --tick"
        )
    if resume.start_nimg and resume.source is None:
        yield from _warn(
            f"the run counts from image {resume.start_nimg} on (--resume_kimg), but with fresh weights: --resume"
        )


def frozen(facts: Facts) -> Iterator[Finding]:
    count = facts.config.frozen_critic_layers
    if count > facts.num_critic_layers:
        yield from _refuse(f"the critic has {facts.num_critic_layers} layers to freeze, not {count}: --freezed")
    elif count and facts.config.resume.source is None:
        yield from _warn(f"{count} layers of the critic stay as random as they begin: --freezed is for --resume")


# ----------------------------------------------------------------------------------------------------------------------
# The folder.


def folder(facts: Facts) -> Iterator[Finding]:
    machine, kept = facts.machine, facts.config.loop.keep_last + 1
    if not machine.is_writable:
        yield from _refuse("the folder of the run cannot be written: choose another one, or ask for permission")
    elif machine.free_disk_bytes is not None and machine.free_disk_bytes < kept * facts.save_bytes:
        text = (
            f"a save takes {format_bytes(facts.save_bytes)}, {kept} must fit, and the disk has "
            f"{format_bytes(machine.free_disk_bytes)} left: make room, or choose a folder on another disk"
        )
        yield Finding("refuse" if machine.free_disk_bytes < facts.save_bytes else "warn", text)


CHECKS: tuple[Check, ...] = (
    *(resolution, cameras, masks, mirrored, enough_images, backs, views),
    *(depths, raw_size, batches, memory),
    *(r1, average, augmentation, ramps, length, frozen, folder),
)


def _near_multiple(count: int, of: int) -> int:
    return max(round(count / of), 1) * of


def _listed(numbers: Iterator[int] | list[int]) -> str:
    return " or ".join(map(str, numbers))
