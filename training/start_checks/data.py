# SPDX-License-Identifier: Apache-2.0
"""Whether the data set suits the system, and whether rays meet what it shows."""

from collections.abc import Iterator

from training.start_checks.finding import TRIAL_NIMG, Facts, Finding, refuse, warn

FEW_IMAGES = 1_000  # Critics know fewer by heart before the generator has learned anything.


def resolution(facts: Facts) -> Iterator[Finding]:
    wanted, given = facts.config.generator.resolution, facts.data.resolution
    if wanted != given:
        yield from refuse(
            f"generator.resolution is {wanted}, but the pictures of the data set have {given} x {given} pixels: name a "
            f"configuration without setting its resolution, and it follows the data, or make pictures of that size "
            f"with `dataset_tool.py pack --resolution {wanted}x{wanted}`"
        )


def cameras(facts: Facts) -> Iterator[Finding]:
    data = facts.data
    if not facts.config.data.use_labels:
        yield from refuse("data.use_labels is off (--cond=False): pictures are rendered under the cameras of the data")
    elif data.num_without_label == data.num_images:
        yield from refuse(
            "no picture of the data set has a camera: add labels to its dataset.json (`dataset_tool.py cameras` "
            "converts camera files)"
        )
    elif data.num_without_label:
        yield from warn(f"{data.num_without_label} of {data.num_images} pictures have no camera, and end the run when "
                         "they are drawn: pack the set anew without them, or set data.damaged=skip")  # fmt: skip
    if data.camera_problem is not None:
        yield from refuse(f"the cameras of the data set are not what they should be: {data.camera_problem}")


def masks(facts: Facts) -> Iterator[Finding]:
    config = facts.config
    looks = "mask" in config.critic.inputs
    if looks and not facts.data.has_masks:
        yield from refuse(
            "the critic looks at masks, and the data set has none: name them with --seg_data, or make them with "
            "`dataset_tool.py masks`; --cfg=eg3d needs none"
        )
    if not looks and config.generator.background:
        yield from warn(
            "the generator draws backgrounds, but the critic does not see masks, so nothing tells it where the head "
            'ends: add "mask" to critic.inputs, or set generator.background=no'
        )
    if not looks and config.data.seg_data is not None:
        yield from warn("masks are given (--seg_data), but the critic does not look at them: --cfg=panohead does")


def mirrored(facts: Facts) -> Iterator[Finding]:
    config, data = facts.config, facts.data
    flips = config.augment.mode != "none" and config.augment.transforms.x_flip > 0
    if config.data.mirror or flips:
        return
    if not 0.35 < data.right_share < 0.65:
        side = "right" if data.right_share > 0.5 else "left"
        share = max(data.right_share, 1 - data.right_share)
        yield from warn(
            f"{share:.0%} of the sideways cameras are on the {side} of the head, and pictures are not mirrored: the "
            "other side will be poor; --mirror=1 shows both"
        )
    elif data.num_images < 10 * FEW_IMAGES:
        yield from warn(f"{data.num_images} pictures are few, and they are not mirrored: --mirror=1 doubles them")


def enough_images(facts: Facts) -> Iterator[Finding]:
    config, shown = facts.config, facts.data.num_images * (1 + facts.config.data.mirror)
    if shown < FEW_IMAGES and config.augment.mode == "none" and config.loop.total_nimg > TRIAL_NIMG:
        other = "" if config.resume.source else ", or start from trained weights (--resume)"
        yield from warn(f"the critic will know {shown} pictures by heart: augment them (--aug=ada){other}")


def backs(facts: Facts) -> Iterator[Finding]:
    config, data = facts.config, facts.data
    is_round = config.generator.field.depth > 1 and config.data.selection.max_yaw_deg > 90
    if is_round and data.num_without_label < data.num_images and data.back_share < 0.01:
        yield from warn(
            "no head is seen from behind: what is there will be invented. Add such pictures, or say that you do not "
            "want them with --max_yaw=90"
        )


def views(facts: Facts) -> Iterator[Finding]:
    config = facts.config
    if config.generator.mapping.camera_scale == 0 and facts.data.azimuth_spread_deg > 5:
        yield from warn(
            "styles do not follow from the camera, though the data set has several views: what differs between views "
            "in the data (smiles towards the camera, say) will bend the shape; --gen_pose_cond=True lets styles have it"
        )
    if config.generator.mapping.camera_scale > 0 and config.schedule.swap_probability == 1:
        yield from warn(
            "styles always follow from another picture's camera (schedule.swap_probability is 1), so they cannot learn "
            "anything from it: --gpc_reg_prob=0.7, or --gen_pose_cond=False"
        )


def depths(facts: Facts) -> Iterator[Finding]:
    generator = facts.config.generator
    near, far, half = generator.renderer.near, generator.renderer.far, generator.field.box_size / 2
    measured = facts.data.camera_radius
    radius = measured if measured == measured else generator.camera_radius  # noqa: PLR0124 - it may be no number
    if (far is not None and far <= radius - half) or (near is not None and near >= radius + half):
        yield from refuse(
            f"samples from {near:g} to {far:g} miss the box around the head, which cameras at {radius:.2f} see from "
            f"{radius - half:.2f} to {radius + half:.2f}: set --ray_start and --ray_end so, or "
            "generator.renderer.near=null and far=null, which follow the box"
        )
    elif (far is not None and far < radius + half / 2) or (near is not None and near > radius - half / 2):
        yield from warn(
            f"samples from {near:g} to {far:g} leave out much of the box around the head, which cameras at "
            f"{radius:.2f} see from {radius - half:.2f} to {radius + half:.2f}: --ray_start, --ray_end"
        )
    if abs(radius / generator.camera_radius - 1) > 0.1:
        yield from warn(
            f"the cameras of the data set are {radius:.2f} away from the origin, not {generator.camera_radius:g}: set "
            f"generator.camera_radius={radius:.2f}, by which pictures and videos aim their cameras"
        )


def raw_size(facts: Facts) -> Iterator[Finding]:
    generator = facts.config.generator
    rays = max(generator.renderer.resolution, facts.config.schedule.raw_resolution or 0)
    if rays > generator.superresolution.in_resolution:
        yield from warn(
            f"{rays} x {rays} rays are rendered and then reduced to {generator.superresolution.in_resolution}, which "
            "is all that super-resolution reads: --neural_rendering_resolution_initial and _final"
        )
