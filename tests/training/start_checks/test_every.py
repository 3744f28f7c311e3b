# SPDX-License-Identifier: Apache-2.0
"""Every check fires on what it is for, and all are silent on a good run."""

import dataclasses
import re
from typing import Any

import pytest

from configs import CONFIGS, resolve
from configs.resolution import fit_to_data
from dnnlib.config_paths import replace
from training.data.facts import DataFacts
from training.machine_facts import MachineFacts
from training.start_checks.every import CHECKS, findings
from training.start_checks.finding import Facts

GOOD_DATA = DataFacts(512, 20_000, 0, True, 0.3, 0.5, 120.0, 2.7)
GOOD_MACHINE = MachineFacts("cuda", 8, 8, 40 * 2**30, 2**40, True)
GOOD = Facts(replace(resolve("panohead"), **{"data.mirror": True}), GOOD_DATA, GOOD_MACHINE, 20 * 2**30, 10**9, 22)


def facts(
    config: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    machine: dict[str, Any] | None = None,
    **others: Any,
) -> Facts:
    return dataclasses.replace(
        GOOD,
        config=replace(GOOD.config, **(config or {})),
        data=dataclasses.replace(GOOD_DATA, **(data or {})),
        machine=dataclasses.replace(GOOD_MACHINE, **(machine or {})),
        **others,
    )


# Name of the check, severity, words of the finding, and facts that differ from the good ones.
FIRING: list[tuple[str, str, str, Facts]] = [
    ("resolution", "refuse", "have 256 x 256 pixels", facts(data={"resolution": 256})),
    ("cameras", "refuse", "--cond=False", facts({"data.use_labels": False})),
    ("cameras", "refuse", "no picture of the data set has a camera", facts(data={"num_without_label": 20_000})),
    ("cameras", "warn", "7 of 20000 pictures have no camera", facts(data={"num_without_label": 7})),
    ("cameras", "refuse", "OpenGL", facts(data={"camera_problem": "these are OpenGL's"})),
    ("masks", "refuse", "--seg_data", facts(data={"has_masks": False})),
    ("masks", "warn", "where the head ends", facts({"critic.inputs": ("image", "raw")})),
    (
        "masks",
        "warn",
        "does not look at them",
        facts({"critic.inputs": ("image", "raw"), "generator.background": False, "data.seg_data": "seg.zip"}),
    ),
    ("mirrored", "warn", "80% .* right", facts({"data.mirror": False}, {"right_share": 0.8})),
    ("mirrored", "warn", "80% .* left", facts({"data.mirror": False}, {"right_share": 0.2})),
    ("mirrored", "warn", "3000 pictures are few", facts({"data.mirror": False}, {"num_images": 3000})),
    ("enough_images", "warn", "400 pictures by heart", facts(data={"num_images": 200})),
    ("backs", "warn", "no head is seen from behind", facts(data={"back_share": 0.0})),
    ("views", "warn", "--gen_pose_cond=True", facts({"generator.mapping.camera_scale": 0.0})),
    ("views", "warn", "--gpc_reg_prob=0.7", facts({"schedule.swap_probability": 1.0})),
    ("depths", "refuse", "miss the box", facts({"generator.renderer.near": 0.1, "generator.renderer.far": 2.0})),
    ("depths", "refuse", "miss the box", facts(data={"camera_radius": 5.0})),
    ("depths", "warn", "leave out much", facts({"generator.renderer.far": 2.8})),
    ("depths", "warn", "leave out much", facts({"generator.renderer.near": 2.6})),
    ("depths", "warn", "camera_radius=3.00", facts({"generator.renderer.far": 3.6}, {"camera_radius": 3.0})),
    ("raw_size", "warn", "256 x 256 rays", facts({"schedule.raw_resolution": 256})),
    ("batches", "refuse", "cannot be shared by 3 processes: --batch=36", facts(machine={"num_ranks": 3})),
    ("batches", "refuse", "choose 4$", facts({"loop.part": 3})),
    ("batches", "refuse", "8 pictures at a time .* choose 4$", facts({"loop.part": 8})),
    ("batches", "refuse", "--batch=64", facts(machine={"num_ranks": 16})),
    ("batches", "refuse", "--batch-gpu=4", facts({"loop.part": 2})),
    ("batches", "refuse", "--mbstd-group=6", facts({"loop.batch": 6}, machine={"num_ranks": 1})),
    ("batches", "warn", "--mbstd-group=4", facts({"critic.group_size": 1})),
    ("memory", "refuse", "no smaller --batch-gpu", facts(needed_bytes=60 * 2**30)),
    ("memory", "refuse", "--batch-gpu=16", facts(machine={"num_ranks": 1}, needed_bytes=60 * 2**30)),
    ("memory", "warn", "GPU has 40", facts(needed_bytes=39 * 2**30)),
    ("memory", "refuse", "and memory has", facts(machine={"device_type": "cpu"}, needed_bytes=60 * 2**30)),
    (
        *("compiling", "refuse", "no C\\+\\+ compiler .* numerics.compile=no"),
        facts({"numerics.compile": True}, machine={"why_no_compiling": "no C++ compiler was found: install one"}),
    ),
    ("r1", "warn", "--gamma=1", facts({"loss.gamma": 0.0})),
    ("r1", "warn", "--gamma_seg=1", facts({"loss.gamma_mask": 0.0})),
    ("average", "warn", "less than a step", facts({"ema.half_life_nimg": 8.0})),
    ("average", "warn", "lags", facts({"loop.total_nimg": 1_000_000, "ema.half_life_nimg": 600_000.0})),
    (
        "augmentation",
        "warn",
        "all of its transforms are off",
        facts(
            {"augment.mode": "adaptive"}
            | {f"augment.transforms.{name}": 0.0 for name in type(GOOD.config.augment.transforms).model_fields}
        ),
    ),
    ("augmentation", "warn", "probability 0", facts({"augment.mode": "fixed", "augment.p": 0.0})),
    ("augmentation", "warn", "appear in generated", facts({"augment.mode": "fixed", "augment.p": 0.9})),
    ("augmentation", "warn", "--target=0.6", facts({"augment.mode": "adaptive", "augment.target": -0.1})),
    (
        "augmentation",
        "warn",
        "ramp_nimg",
        facts({"augment.mode": "adaptive", "loop.total_nimg": 100_000, "schedule.blur_nimg": 0}),
    ),
    ("ramps", "warn", "--blur_fade_kimg", facts({"loop.total_nimg": 100_000})),
    ("length", "refuse", "--resume_kimg", facts({"resume.source": "a.pkl", "resume.start_nimg": 25_000_000})),
    ("length", "warn", "nothing is said", facts({"loop.total_nimg": 2_000})),
    ("length", "warn", "fresh weights", facts({"resume.start_nimg": 1_000_000})),
    ("frozen", "refuse", "22 layers", facts({"frozen_critic_layers": 23, "resume.source": "a.pkl"})),
    ("frozen", "warn", "stay as random", facts({"frozen_critic_layers": 10})),
    ("folder", "refuse", "cannot be written", facts(machine={"is_writable": False})),
    ("folder", "refuse", "make room", facts(machine={"free_disk_bytes": 10**8})),
    ("folder", "warn", "make room", facts(machine={"free_disk_bytes": 2 * 10**9})),
]


@pytest.mark.parametrize(("name", "severity", "words", "given"), FIRING, ids=[f"{n}: {w}" for n, _, w, _ in FIRING])
def test_a_check_fires_with_its_severity_and_its_remedy(name: str, severity: str, words: str, given: Facts) -> None:
    check = next(check for check in CHECKS if check.__name__ == name)
    found = list(check(given))
    assert [finding for finding in found if finding.severity == severity and re.search(words, finding.text)], found
    assert not list(check(GOOD))


def test_every_check_is_shown_firing() -> None:
    assert {name for name, *_ in FIRING} == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_are_silent_on_good_data(name: str) -> None:
    config = resolve(name)
    radius = config.generator.camera_radius
    data = dataclasses.replace(GOOD_DATA, resolution=config.generator.resolution, camera_radius=radius)
    alone = dataclasses.replace(GOOD_MACHINE, num_ranks=1, num_local_ranks=1)
    assert not findings(Facts(config, data, alone, 10**9, 10**9, 22))


def test_the_published_commands_are_silent_on_eight_gpus() -> None:
    stage2 = {"resume.source": "a.pkl", "resume.start_nimg": 1_000_000, "schedule.raw_resolution": 128}
    assert not findings(GOOD)
    assert not findings(facts(stage2))
    assert not findings(facts({"augment.mode": "adaptive"}))
    assert not findings(facts({"augment.mode": "adaptive", "loop.total_nimg": 200_000, "resume.source": "a.pkl"}))
    assert not findings(dataclasses.replace(GOOD, config=fit_to_data(GOOD.config, 512), needed_bytes=None))


def test_refusals_come_first() -> None:
    found = findings(facts({"loss.gamma": 0.0}, {"has_masks": False, "back_share": 0.0}))
    assert [finding.severity for finding in found] == ["refuse", "warn", "warn"]
