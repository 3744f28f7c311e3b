# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a run: checked, ranks connected, folder agreed on, log opened, trainer started."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import torch

from dnnlib.config import ConfigError
from dnnlib.console import get_logger, setup_logging
from torch_utils import distributed
from torch_utils.devices import find_device
from training import numerics
from training.builder import build_critic, build_generator
from training.data.dataset import ImageDataset, open_dataset
from training.data.facts import facts_of
from training.generator import Generator
from training.machine_facts import MachineFacts, machine_facts
from training.pretrained import sources
from training.resume import opened
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.start_checks.every import findings
from training.start_checks.finding import Facts
from training.step_memory import StepMemory, process_bytes, rough_bytes, save_bytes, step_memory
from training.trainer import Trainer

log = get_logger(__name__)


class StartError(ConfigError):
    """A run that would go wrong. The message has every reason, with remedies."""


Metric = Callable[[Generator, ImageDataset, int, torch.device], float]


def train(
    config: RunConfig,
    choose_folder: Callable[[], RunFolder],
    place: Path,
    find_metric: Callable[[str], Metric],
    preset: RunConfig | None,
    *,
    is_checked: bool,
    limit_s: float,
) -> int:
    """Every rank must call it. The main rank checks and chooses the folder; gives the image count at the end."""
    found = {name: find_metric(name) for name in config.metrics}
    with distributed.session(device_of(config)) as device:
        folder = _agreed(config, choose_folder, place, device, is_checked)
        with opened(folder, config):
            setup_logging(folder.log if distributed.is_main() else None, rank=distributed.rank())
            log.info(f"Run folder: {folder.path}")
            log.info(f"To go on after a stop: python train.py --run={shlex.quote(str(folder.path))}{_gpus()}")
            numerics.apply(config.numerics)

            def measured(metric: Metric) -> Callable[[Generator, int], float]:
                return lambda generator, _: metric(generator, trainer.dataset, config.seed, device)

            metrics = {name: measured(metric) for name, metric in found.items()}
            trainer = Trainer(config, folder, device, metrics=metrics, preset=preset)
            return trainer.run(limit_s)


def check(config: RunConfig, place: Path, device: torch.device, num_ranks: int) -> None:
    """Warns of what will go wrong, and refuses what will go wrong badly. `place` is where the run's folder is to be."""
    machine = machine_facts(device, num_ranks, place)
    check_source(config, place)
    has_begun = bool(RunFolder(place).saves())  # It fitted when it began.
    is_small = machine.available_bytes is not None and rough_bytes(config, num_ranks) < machine.available_bytes / 4
    memory = None if has_begun or is_small else predicted(config, num_ranks)
    report(gather(config, machine, memory, device))


def check_source(config: RunConfig, place: Path) -> None:
    """Raises where the weights to begin with are not there. A run that has begun needs them no more."""
    source = config.resume.source
    if source is not None and not sources.is_url(source) and not RunFolder(place).saves():
        sources.find(source)


def gather(config: RunConfig, machine: MachineFacts, memory: StepMemory | None, device: torch.device) -> Facts:
    """All that the checks want to know."""
    data = facts_of(open_dataset(config.data, seed=config.seed))
    with torch.device("meta"):
        generator = build_generator(config.generator)
        critic = build_critic(config.critic, resolution=config.generator.resolution)
    return Facts(
        config,
        data,
        machine,
        None if memory is None else process_bytes(memory, device),
        save_bytes(generator, critic),
        len(critic.layers),
    )


def report(facts: Facts) -> None:
    """Logs what is found; refusals together are one StartError."""
    found = findings(facts)
    for finding in found:
        if finding.severity == "warn":
            log.warning(finding.text)
    refused = [finding.text for finding in found if finding.severity == "refuse"]
    if refused:
        raise StartError("\n".join(refused))


def predicted(config: RunConfig, num_ranks: int) -> StepMemory:
    """Memory of one rank's step."""
    share = max(config.loop.batch // num_ranks, 1)
    part = min(config.loop.part or share, share)
    group = min(config.critic.group_size, part)
    # A part that cannot be cut into groups is refused by a check; here it is only to be no obstacle.
    return step_memory(config, max(part // group * group, 1), is_split=part < share, num_ranks=num_ranks)


def device_of(config: RunConfig, num_local_ranks: int = 1) -> torch.device:
    """What `auto` means on this machine, which is to have a GPU for each of its ranks."""
    try:
        device = find_device(config.device)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if device.type == "cpu":
        return device
    if num_local_ranks > (num_gpus := torch.cuda.device_count()):
        raise ConfigError(
            f"--gpus={num_local_ranks}: this machine has {num_gpus}: use --gpus={num_gpus}, with the same result; "
            "--batch-gpu computes fewer pictures together where memory is short"
        )
    return device


def _agreed(
    config: RunConfig, choose_folder: Callable[[], RunFolder], place: Path, device: torch.device, is_checked: bool
) -> RunFolder:
    """The folder that the main rank chose; or, on every rank, the reason why there is none."""
    told = {"path": "", "error": ""}
    if distributed.is_main():
        try:
            if not is_checked:
                check(config, place, device, distributed.world_size())
            told["path"] = str(choose_folder().path)
        except (ValueError, OSError) as error:
            told["error"] = str(error)
    told = distributed.gather_json(told)[0]
    if told["error"]:
        if not distributed.is_main():
            raise SystemExit(2)  # The main rank says why.
        raise StartError(told["error"])
    return RunFolder(told["path"])


def _gpus() -> str:
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return f" --gpus={local}" if 1 < local == distributed.world_size() else ""
