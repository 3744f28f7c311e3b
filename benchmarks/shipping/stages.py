# SPDX-License-Identifier: Apache-2.0
"""The trainings that led to some networks: a run may have begun with the weights of another one.

Commands name the stages NAME-1, NAME-2, ... and the last one NAME, whatever their folders were called.
"""

from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.shipping.recipes import training_command
from dnnlib.config_paths import replace
from torch_utils import checkpoint
from training.pretrained.sources import find
from training.run_config import load_config


def stages(run: Path) -> list[Path]:
    """The networks that each stage ended with, of the first stage first. `run` is the last one's folder."""
    found = [find(run)]
    while (before := _before(found[0])) is not None:
        found.insert(0, before)
    return found


def stage_facts(networks: list[Path], name: str, trained_on: str | None) -> list[dict[str, Any]]:
    """How each stage came about, and the command that does the like."""
    names = [f"{name}-{number}" for number in range(1, len(networks))] + [name]
    return [
        _facts(file, called, before, trained_on)
        for file, called, before in zip(networks, names, [None, *names[:-1]], strict=True)
    ]


def _before(networks: Path) -> Path | None:
    began_from = _told(networks)["began_from"]
    if began_from is None:
        return None
    source = Path(began_from["source"])
    folder = source if source.is_dir() else source.parent
    # What comes from elsewhere, such as a shipped model, has a name and a digest, and no command.
    return folder / began_from["file"] if (folder / "config.json").is_file() else None


def _facts(networks: Path, name: str, before: str | None, trained_on: str | None) -> dict[str, Any]:
    config, told = load_config(networks.parent), _told(networks)
    began_from = told["began_from"]
    if began_from is not None:
        config = replace(config, **{"resume.source": began_from["file"] if before is None else f"runs/{before}"})
    return {
        "images": told["nimg"] - config.resume.start_nimg,
        "seconds": round(told["elapsed_s"]),
        "device": trained_on or _device(told["made_by"]["device"]),
        "torch": told["made_by"]["torch"],
        "commit": told["code"]["commit"],
        "began_from": began_from and {key: began_from[key] for key in ("file", "digest")},
        # As long as it was, whether or not it was stopped before its end.
        "command": training_command(replace(config, **{"loop.total_nimg": told["nimg"]}), name),
    }


def _told(networks: Path) -> dict[str, Any]:
    return checkpoint.read_header(networks)["provenance"]


def _device(asked: str) -> str:
    facts = harness.environment("cuda" if asked == "cuda" else "cpu")
    return f"{facts['device']}, {facts['cores']} cores" if asked != "cuda" else str(facts["device"])
