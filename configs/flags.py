# SPDX-License-Identifier: Apache-2.0
"""The flags of train.py that stand for fields of the configuration: PanoHead's, and a few of our own.

They apply in the order of this table, whatever their order on the command line: a length that goes with the batch
follows `--batch` before a flag of its own sets it. docs/training.md shows the table.
"""

from configs.flag import Flag, Values, ignored, is_on, kimg, number, one_of, switch, whole_number
from configs.metric_names import metric_names
from dnnlib.config import Tree

# ----------------------------------------------------------------------------------------------------------------------
# Conversions that concern several fields, or that look at what there is.


def _batch(text: str, tree: Tree) -> Values:
    """Blur and average keep their lengths in steps, as PanoHead's do. A part that no longer divides it is dropped."""
    batch = whole_number(text, "images per step, such as 32")
    scale, part = batch / tree["loop"]["batch"], tree["loop"]["part"]
    dropped = {"loop.part": None} if part is not None and batch % part else {}
    return dropped | {
        "loop.batch": batch,
        "schedule.blur_nimg": round(tree["schedule"]["blur_nimg"] * scale),
        "ema.half_life_nimg": tree["ema"]["half_life_nimg"] * scale,
    }


def _tick(text: str, tree: Tree) -> Values:
    """Saves keep their interval in ticks."""
    tick = round(number(text, "thousands of images, such as 4") * 1000)
    ticks = tree["loop"]["snapshot_nimg"] / tree["loop"]["tick_nimg"]
    return {"loop.tick_nimg": tick, "loop.snapshot_nimg": max(round(ticks * tick), 1)}


def _snap(text: str, tree: Tree) -> Values:
    return {"loop.snapshot_nimg": whole_number(text, "a number of ticks, such as 50") * tree["loop"]["tick_nimg"]}


def _blur_fade(text: str, tree: Tree) -> Values:
    nimg = 1000 * number(text, "thousands of images at a batch of 32, such as 200")
    return {"schedule.blur_nimg": round(nimg * tree["loop"]["batch"] / 32)}


def _pose_condition(text: str, tree: Tree) -> Values:
    scale = tree["generator"]["mapping"]["camera_scale"]
    return {"generator.mapping.camera_scale": (scale or 1.0) if is_on(text) else 0.0}


def _channel_base(text: str, tree: Tree) -> Values:
    base = whole_number(text, "a number of channels, such as 32768")
    return {
        "generator.field.channel_base": base,
        "generator.background_channel_base": max(base // 2, 1),
        "critic.channel_base": base,
    }


def _channel_max(text: str, tree: Tree) -> Values:
    most = whole_number(text, "a number of channels, such as 512")
    return {"generator.field.channel_max": most, "critic.channel_max": most}


def _map_depth(text: str, tree: Tree) -> Values:
    layers = whole_number(text, "a number of layers, such as 2")
    has_shift = tree["generator"]["shift"] is not None
    return {"generator.mapping.num_layers": layers} | ({"generator.shift.num_layers": layers} if has_shift else {})


def _density_every(text: str, tree: Tree) -> Values:
    steps = number(text, "a number of steps, such as 4")  # PanoHead reads a fraction here, and means a whole number.
    return {"loss.density_every": max(round(steps), 1)}


def _generator_half(text: str, tree: Tree) -> Values:
    is_half = whole_number(text, "a number of resolutions, 0 for none") > 0
    return {"generator.precision": "bf16" if is_half else "fp32", "generator.clamp": 256.0 if is_half else None}


def _superresolution_half(text: str, tree: Tree) -> Values:
    is_half = whole_number(text, "a number of resolutions, 0 for none") > 0
    path = "generator.superresolution"
    return {f"{path}.precision": "bf16" if is_half else "fp32", f"{path}.clamp": 256.0 if is_half else None}


def _critic_half(text: str, tree: Tree) -> Values:
    count = whole_number(text, "a number of resolutions, 0 for none")
    return {"critic.num_half_precision": count, "critic.precision": "bf16" if count else "fp32"}


def _critic_module(text: str, tree: Tree) -> Values:
    """By the last part of a dotted name."""
    tri, dual = ["image", "raw", "mask"], ["image", "raw"]
    choices = {
        "MaskDualDiscriminatorV2": {"critic.inputs": tri, "critic.mask_tower": False},
        "MaskDualDiscriminator": {"critic.inputs": tri, "critic.mask_tower": True},
        "DualDiscriminator": {"critic.inputs": dual, "critic.mask_tower": False},
        "SingleDiscriminator": {"critic.inputs": ["image"], "critic.mask_tower": False},
    }
    return one_of(choices)(text.rpartition(".")[2], tree)


def _superresolution_module(text: str, tree: Tree) -> Values:
    """By the last part of a dotted name."""

    def form(in_resolution: int, *widths: int) -> Values:
        path = "generator.superresolution"
        return {f"{path}.in_resolution": in_resolution, f"{path}.widths": list(widths), f"{path}.antialias": True}

    choices = {
        "SuperresolutionHybrid8XDC": form(128, 256, 128),
        "SuperresolutionHybrid8X": form(128, 128, 64),
        "SuperresolutionHybrid4X": form(128, 128, 64),
        "SuperresolutionHybrid2X": form(64, 128, 64),
        "SuperresolutionHybridDeepfp32": form(128, 128, 64)
        | {"generator.superresolution.antialias": False, "generator.superresolution.precision": "fp32"},
    }
    return one_of(choices)(text.rpartition(".")[2], tree)


def _mask_channels(text: str, tree: Tree) -> Values:
    if text != "1":
        raise ValueError("masks have 1 channel here; leave the flag out")
    return {}


def _architecture(text: str, tree: Tree) -> Values:
    if text != "skip":
        raise ValueError("only `skip` is built here, the form of all published weights; leave the flag out")
    return {}


def _density_kind(text: str, tree: Tree) -> Values:
    if text == "l1-alt":
        raise ValueError("PanoHead accepts this and then does nothing; choose l1, or --density_reg=0 for nothing")
    kinds = ("l1", "monotonic-detach", "monotonic-fixed", "total-variation")
    return one_of({kind: {"loss.density_kind": kind} for kind in kinds})(text, tree)


# ----------------------------------------------------------------------------------------------------------------------

AUGMENT_MODES: dict[str, Values] = {
    "noaug": {"augment.mode": "none"},
    "fixed": {"augment.mode": "fixed"},
    "ada": {"augment.mode": "adaptive"},
}

FLAGS: dict[str, tuple[Flag, ...]] = {
    "Data": (
        Flag("img_data", "data.img_data", "folder or zip of images with dataset.json"),
        Flag("seg_data", "data.seg_data", "folder or zip of masks"),
        Flag("mirror", switch("data.mirror"), "show every image mirrored too, with its camera"),
        Flag("cond", switch("data.use_labels"), "whether images have cameras; training needs them"),
        Flag("min_yaw", "data.selection.min_yaw_deg", "leave out images with a smaller absolute yaw, degrees"),
        Flag("max_yaw", "data.selection.max_yaw_deg", "leave out images with a larger absolute yaw, degrees"),
        Flag("back_repeat", "data.selection.back_repeat", "how many times as often images from behind are shown"),
        Flag("workers", "data.workers", "processes that load data, for each training process"),
    ),
    "Length": (
        Flag("batch", _batch, "images per step, of all processes together; blur and average scale with it"),
        Flag("batch-gpu", "loop.part", "images computed together in one process: less memory, the same result"),
        Flag("kimg", kimg("loop.total_nimg"), "length of the run, thousands of images"),
        Flag("tick", _tick, "thousands of images from one line of progress to the next; saves keep their ticks"),
        Flag("snap", _snap, "ticks from one save to the next"),
        Flag("metrics", lambda text, tree: {"metrics": metric_names(text)}, "what to measure at saves: names, or none"),
        Flag("seed", "seed", "every random number follows from it"),
    ),
    "Machine": (
        Flag("device", "device", "auto, cpu or cuda"),
        Flag("nobench", switch("numerics.cudnn_benchmark", False, True), "do not let cuDNN choose by timing"),
    ),
    "Start from weights": (
        Flag("resume", "resume.source", "file, run folder or URL that a new run takes its weights from"),
        Flag("resume_kimg", kimg("resume.start_nimg"), "count images from here, thousands; schedules follow"),
        Flag("resume_blur", switch("resume.keep_ramps"), "let blur and swapping begin anew all the same"),
        Flag("freezed", "frozen_critic_layers", "so many of the critic's first layers keep their weights"),
    ),
    "Losses": (
        Flag("gamma", "loss.gamma", "weight of R1 on image and raw picture"),
        Flag("gamma_seg", "loss.gamma_mask", "weight of R1 on the mask"),
        Flag("trans_reg", "loss.shift", "weight of the squared camera shift"),
        Flag("density_reg", "loss.density", "weight of smooth densities; 0 leaves them alone"),
        Flag("density_reg_every", _density_every, "steps from one look at densities to the next"),
        Flag("density_reg_p_dist", "loss.density_step", "distance of the points that are compared"),
        Flag("reg_type", _density_kind, "l1, monotonic-detach, monotonic-fixed or total-variation"),
        Flag("bcg_reg_prob", "loss.background_swap", "how often a picture has another one's background"),
        Flag("style_mixing_prob", "loss.style_mixing", "how often later styles follow from a second code"),
        Flag("disc_c_noise", "loss.label_noise", "noise on the critic's cameras, in deviations of the data set's"),
        Flag("glr", "generator_adam.lr", "learning rate of the generator"),
        Flag("dlr", "critic_adam.lr", "learning rate of the critic"),
    ),
    "Schedules": (
        Flag("blur_fade_kimg", _blur_fade, "length of the blur of what critics see, at a batch of 32; it scales"),
        Flag("gpc_reg_prob", "schedule.swap_probability", "how often styles follow from another camera in the end"),
        Flag("gpc_reg_fade_kimg", kimg("schedule.swap_nimg"), "over how many thousand images that falls from always"),
        Flag("density_noise_fade_kimg", kimg("schedule.density_noise_nimg"), "length of the noise on densities"),
        Flag("neural_rendering_resolution_initial", "generator.renderer.resolution", "rays along a side at first"),
        Flag("neural_rendering_resolution_final", "schedule.raw_resolution", "rays along a side in the end, or none"),
        Flag("neural_rendering_resolution_fade_kimg", kimg("schedule.raw_resolution_nimg"), "length of that ramp"),
    ),
    "Augmentation": (
        Flag("aug", one_of(AUGMENT_MODES), "noaug, fixed or ada (adaptive)"),
        Flag("p", "augment.p", "probability with --aug=fixed"),
        Flag("target", "augment.target", "mean sign of the critic on real images, with --aug=ada"),
    ),
    "Generator": (
        Flag("c-scale", "generator.mapping.camera_scale", "the camera is multiplied by this for the styles"),
        Flag("gen_pose_cond", _pose_condition, "whether styles follow from the camera"),
        Flag("map-depth", _map_depth, "layers from codes to styles, and to the camera shift"),
        Flag("cbase", _channel_base, "layers of size R have cbase / R channels, those of the background half"),
        Flag("cmax", _channel_max, "no layer has more channels"),
        Flag("g_architecture", _architecture, "skip"),
        Flag("triplane_size", "generator.field.resolution", "pixels along a side of a feature plane"),
        Flag("triplane_depth", "generator.field.depth", "feature planes per stack"),
        Flag("decoder_lr_mul", "generator.field.decoder_lr", "learning-rate multiplier of the decoder"),
        Flag("decoder_activation", "generator.field.decoder_act", "none, lrelu or sigmoid"),
        Flag("use_torgb_raw", switch("generator.raw", "styled", "features"), "raw colours by a layer of their own"),
        Flag("use_background", switch("generator.background"), "a network draws what is behind the head"),
        Flag("ray_start", "generator.renderer.near", "depth of the first sample"),
        Flag("ray_end", "generator.renderer.far", "depth of the last sample"),
        Flag("sr-module", _superresolution_module, "published super-resolution by its name"),
        Flag("sr_noise_mode", one_of({"none": {"generator.superresolution.noise": False},
                                      "random": {"generator.superresolution.noise": True}}), "none or random"),
        Flag("g_num_fp16_res", _generator_half, "more than 0: all convolutions of the generator in bf16"),
        Flag("sr_num_fp16_res", _superresolution_half, "more than 0: super-resolution in bf16"),
    ),
    "Critic": (
        Flag("disc_module", _critic_module, "published critic by its name"),
        Flag("mbstd-group", "critic.group_size", "pictures that are compared for variety"),
        Flag("seg_resolution", "critic.mask_tower_resolution", "size of the mask in a tower of its own"),
        Flag("seg_channels", _mask_channels, "1"),
        Flag("d_num_fp16_res", _critic_half, "so many of its largest resolutions in bf16"),
    ),
    "Without effect": (
        ignored("c-noise", "the published code reads it nowhere"),
        ignored("sr_first_cutoff", "the published code reads it nowhere"),
        ignored("sr_first_stopband", "the published code reads it nowhere"),
    ),
}  # fmt: skip

ALL: tuple[Flag, ...] = tuple(flag for group in FLAGS.values() for flag in group)
