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
from torch_utils.checkpoint import CheckpointError
from training.pretrained.sources import MODELS, NETWORKS_GLOB, find, is_url
from training.run_config import load_config


def stages(run: Path) -> list[Path]:
    """The networks that each stage ended with, of the first stage first. `run` is the last one's folder.

    Earlier stages are looked for in the folders beside it: by digest, for files are copied and folders renamed.
    """
    found = [find(run)]
    while (before := _before(found[0], run.resolve().parent)) is not None:
        found.insert(0, before)
    return found


def stage_facts(networks: list[Path], name: str, trained_on: str | None) -> list[dict[str, Any]]:
    """How each stage came about, and the command that does the like."""
    names = [f"{name}-{number}" for number in range(1, len(networks))] + [name]
    return [
        _facts(file, called, before, trained_on)
        for file, called, before in zip(networks, names, [None, *names[:-1]], strict=True)
    ]


def _before(networks: Path, runs: Path) -> Path | None:
    began_from = told(networks)["began_from"]
    if began_from is None or _is_public(began_from["source"]):
        return None
    for config in sorted(runs.glob("*/config.json")):
        for file in sorted(config.parent.glob(NETWORKS_GLOB)):
            if checkpoint.read_header(file).get("digest") == began_from["digest"]:
                return file
    raise CheckpointError(
        f"{networks}: began with the weights of {began_from['file']}, and no run beside it in {runs} has networks of "
        f"that digest, {began_from['digest']}: how they came about cannot be told. Put the folder of that run there"
    )


def _is_public(source: str) -> bool:
    """Whether everybody has it, so that nobody need make it again."""
    return is_url(source) or ("/" not in source and (MODELS / f"{source}.safetensors").is_file())


def _facts(networks: Path, name: str, before: str | None, trained_on: str | None) -> dict[str, Any]:
    config, facts = load_config(networks.parent), told(networks)
    began_from = facts["began_from"]
    if began_from is not None:
        source = f"runs/{before}" if before is not None else began_from["source"]
        config = replace(config, **{"resume.source": source})
    # As long as it was, whether or not it was stopped before its end.
    config = replace(config, **{"loop.total_nimg": facts["nimg"]})
    return {
        "images": facts["nimg"] - config.resume.start_nimg,
        "seconds": round(facts["elapsed_s"]),
        "device": trained_on or _device(facts["made_by"]["device"]),
        "torch": facts["made_by"]["torch"],
        "commit": facts["code"]["commit"],
        "began_from": began_from and {key: began_from[key] for key in ("file", "digest")},
        "command": training_command(config, name, facts["made_by"]["ranks"]),
    }


def told(networks: Path) -> dict[str, Any]:
    """What the file says of its training."""
    return checkpoint.read_header(networks)["provenance"]


def _device(asked: str) -> str:
    facts = harness.environment("cuda" if asked == "cuda" else "cpu")
    return f"{facts['device']}, {facts['cores']} cores" if asked != "cuda" else str(facts["device"])
