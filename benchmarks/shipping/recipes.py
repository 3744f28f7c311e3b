# SPDX-License-Identifier: Apache-2.0
"""The commands that make a model again, told by what a run and its data set say of themselves.

A field that differs from its default becomes a flag where there is a handy one, else `--set`. Names of files are kept,
the folders of whoever trained are not.
"""

import json
import shlex
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from configs import preset_of
from dnnlib.config import from_tree, to_tree
from dnnlib.config_paths import differences, leaves
from dnnlib.config_types import text_of
from dnnlib.files import open_store
from training.data.synthetic.settings import SyntheticSettings
from training.run_config import RunConfig

_SWITCHES = ("background", "depth")
_SYNTH_FLAGS = {
    "seed": "--seed",
    "views_per_identity": "--views-per-identity",
    "num_identities": "--identities",
    "first_identity": "--identity",
    "cameras.kind": "--cameras",
    "cameras.back_share": "--back-share",
    "elevation_std_deg": "--elevation-std",
    "drift": "--drift",
    "jitter": "--jitter",
    "smile": "--smile",
}

_OF_THE_MACHINE = ("device", "data.img_data", "data.seg_data", "data.workers", "data.prefetch")


def _in_thousands(nimg: int) -> str:
    return f"{(Decimal(nimg) / 1000).normalize():f}"


_TRAIN_FLAGS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "loop.total_nimg": ("--kimg", _in_thousands),
    "metrics": ("--metrics", ",".join),
    "resume.source": ("--resume", str),
    "resume.start_nimg": ("--resume_kimg", _in_thousands),
}


def data_command(img_data: str, seg_data: str | None) -> str | None:
    """The command that makes the set, or None where it does not hold procedural heads."""
    with open_store(img_data) as store:
        told = json.loads(store.read("dataset.json"))
    if "synthetic" not in told:
        return None
    settings = from_tree(SyntheticSettings, told["synthetic"], img_data)
    words = ["python", "dataset_tool.py", "synth", "--num", str(len(told["labels"]))]
    words += ["--resolution", str(settings.resolution)]
    default = leaves(to_tree(SyntheticSettings()))
    knobs = leaves(to_tree(settings))
    if settings.first_identity:
        knobs.pop("num_identities")  # --identity is one.
    for path, value in knobs.items():
        if path in _SWITCHES and not value:
            words.append(f"--no-{path}")
        elif path in _SYNTH_FLAGS and value != default.get(path):
            words += [_SYNTH_FLAGS[path], str(value)]
    words += ["--img_dest", Path(img_data).name]
    return shlex.join(words + ([] if seg_data is None else ["--seg_dest", Path(seg_data).name]))


def training_command(config: RunConfig, run: str, ranks: int = 1) -> str:
    """The command that trains with this configuration. `run` names the folder, `ranks` counts processes."""
    preset = preset_of(config)
    assert preset is not None, "a run that is shipped comes from a named configuration"
    words = ["python", "train.py", f"--cfg={config.name}", f"--run=runs/{run}"]
    words.append(f"--img_data={Path(config.data.img_data).name}")
    if config.data.seg_data is not None:
        words.append(f"--seg_data={Path(config.data.seg_data).name}")
    if ranks > 1:
        words.append(f"--gpus={ranks}")
    for path, before, now in differences(preset, config):
        if before == now or path in _OF_THE_MACHINE:
            continue
        flag, text = _TRAIN_FLAGS.get(path, (f"--set={path}", text_of))
        words.append(f"{flag}={text(now)}")
    return shlex.join(words)
