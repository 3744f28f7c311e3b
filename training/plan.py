# SPDX-License-Identifier: Apache-2.0
"""What a run would do, in words, without doing it: what was changed, networks, memory, data."""

from pathlib import Path

from dnnlib.config_paths import differences
from dnnlib.config_types import text_of
from dnnlib.console import get_logger
from dnnlib.text import format_bytes
from training import resume
from training.data.dataset import ImageDataset, open_dataset
from training.data.facts import DataFacts
from training.machine_facts import MachineFacts, machine_facts
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.start import check_source, device_of, gather, predicted, report
from training.step_memory import StepMemory, process_bytes

log = get_logger(__name__)


def dry_run(config: RunConfig, base: RunConfig, name: str, place: Path, num_ranks: int, *, is_run: bool) -> None:
    """Says all of it, and raises what would keep the run from starting. Writes nothing.

    `place` is the folder of the run, or with `is_run` off the one in which it will be made.
    """
    log.info(changed(config, base, name))
    device = device_of(config)
    machine, memory = machine_facts(device, num_ranks, place), predicted(config, num_ranks)
    log.info(cost(config, memory, process_bytes(memory, device), machine))
    facts = gather(config, machine, memory, device)
    log.info(data(open_dataset(config.data, seed=config.seed), facts.data))
    report(facts)
    if is_run:
        resume.check(RunFolder(place), config)
    check_source(config, place)
    log.info("The run can start.")


def changed(config: RunConfig, base: RunConfig, name: str) -> str:
    """The fields that differ from the configuration that was named."""
    lines = [f"  {path}: {text_of(old)} -> {text_of(new)}" for path, old, new in differences(base, config)]
    return "\n".join([f"Configuration {name}, changed in" if lines else f"Configuration {name}, unchanged.", *lines])


def cost(config: RunConfig, memory: StepMemory, whole_bytes: int, machine: MachineFacts) -> str:
    """Parameters and memory."""
    loop = config.loop
    share = max(loop.batch // machine.num_ranks, 1)
    part = min(loop.part or share, share)
    where = "GPU memory" if machine.device_type == "cuda" else "memory"
    free = "" if machine.available_bytes is None else f"; {format_bytes(machine.available_bytes)} are free"
    split = "" if part == share else f", {part} at a time"
    ranks = f"each of {machine.num_ranks} processes" if machine.num_ranks > 1 else "the process"
    return "\n".join(
        [
            f"Generator: {memory.num_generator:,} parameters. Critic: {memory.num_critic:,} parameters.",
            f"Batch: {loop.batch} images, {share} in {ranks}{split}.",
            f"Predicted {where} of {ranks}: {format_bytes(whole_bytes)} (networks and average "
            f"{format_bytes(memory.weights)}, optimizers {format_bytes(memory.moments)}, a step "
            f"{format_bytes(memory.peak)}){free}.",
            f"A save takes {format_bytes(memory.weights + memory.moments)}.",
        ]
    )


def data(dataset: ImageDataset, facts: DataFacts) -> str:
    """What there is, after one item was read."""
    item = dataset[int(dataset.weights.argmax())]
    kinds = [f"pictures of {item.image.shape[1]} x {item.image.shape[2]}"]
    kinds += ["masks"] if item.mask is not None else []
    kinds += ["cameras"] if item.label is not None else []
    shown = ", each mirrored too" if dataset.is_mirrored else ""
    return (
        f"Data: {facts.num_images:,} {', '.join(kinds)}{shown}; {facts.back_share:.0%} from behind. One of each was "
        "read; `dataset_tool.py check` reads all."
    )
