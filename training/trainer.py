# SPDX-License-Identifier: Apache-2.0
"""The loop of a run: batches in, steps, ticks, saves; from its first image or from its newest save.

All ranks run it alike. Only the main rank writes. A run stops at its end, or after the step in which it is asked to.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, final

import torch

from dnnlib.console import get_logger
from dnnlib.progress import progress
from torch_utils import distributed
from torch_utils.replicas import broadcast_module
from torch_utils.sampler import share
from torch_utils.stats import Collector
from training.augment.augmenter import Augmenter
from training.augment.probability import Probability
from training.builder import build_critic, build_generator
from training.data.dataset import open_dataset
from training.data.loader import Loader
from training.objective import Objective
from training.optimizer import adam
from training.prior import Prior
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.run_state import RunState, load_newest, save
from training.schedules import step_values
from training.step import Players, Step
from training.ticks import Ticks
from training.watch.divergence import check_weights
from training.watch.watch import Metrics, Watch

log = get_logger(__name__)


@final
class Trainer:
    """One run on one rank."""

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        device: torch.device,
        *,
        metrics: Metrics = MappingProxyType({}),
        preset: RunConfig | None = None,  # What the configuration was made from, for the run's page.
    ) -> None:
        self.config = config
        self.folder = folder
        self.device = device
        self.metrics = metrics
        self.preset = preset
        self.dataset = open_dataset(config.data, seed=config.seed)
        self.state = new_state(config, device)
        self.step = self._step()

    def run(self, after_save: Callable[[int], None] | None = None) -> int:
        """Trains to the end, or until it is stopped; gives the image count."""
        loop = self.config.loop
        nimg, elapsed_s = self._resume()
        with (
            _stop_requests() as stop,
            self.loader(nimg) as loader,
            self._watch(nimg) as watch,
            progress(loop.total_nimg, "images", "img", done_before=nimg) as bar,
        ):
            ticks = Ticks(self.folder, self.state.stats, loader, self.device, start_nimg=nimg, elapsed_s=elapsed_s)
            while nimg < loop.total_nimg and not distributed_any(stop.is_set(), self.device):
                values = step_values(self.config.schedule, self.config.generator.renderer.resolution, nimg)
                self.step(next(loader).to(self.device, non_blocking=True), nimg, values)
                before, nimg = nimg, nimg + loop.batch
                bar.advance(loop.batch)
                if passed(before, nimg, loop.tick_nimg) or nimg >= loop.total_nimg:
                    watch.tick(ticks.report(nimg, {"augment_p": self.state.augmentation.p.item()}))
                    self.step.divergence.check(nimg, loop.batch, self.folder.saves())
                if passed(before, nimg, loop.snapshot_nimg) or nimg >= loop.total_nimg:
                    self._save(nimg, ticks)
                    watch.snapshot(nimg)
                    if after_save is not None:
                        after_save(nimg)
            if stop.is_set() and nimg not in self.folder.saves():
                self._save(nimg, ticks)
                log.info(f"Stopped at {nimg} images and saved. The same command goes on from here.")
        return nimg

    def _resume(self) -> tuple[int, float]:
        found = load_newest(self.state, self.folder)
        if found is None:
            broadcast_module(self.state.players.generator)
            return 0, 0.0
        nimg, told = found
        log.info(f"Going on from image {nimg}.")
        return nimg, told["elapsed_s"]

    def _save(self, nimg: int, ticks: Ticks) -> None:
        players = self.state.players
        weights = {"G": players.generator, "D": players.critic, "G_ema": players.average}
        check_weights(weights, nimg, self.folder.saves())
        told = {"elapsed_s": ticks.elapsed_s}
        provenance = {"run": self.folder.path.name, "data": self.config.data.img_data}
        save(self.state, self.folder, nimg, told, provenance)
        if distributed.is_main():
            self.folder.prune(self.config.loop.keep_last, self.config.loop.keep_every_nimg)

    def _watch(self, nimg: int) -> Watch:
        return Watch(
            self.folder,
            self.config,
            self.dataset,
            self.state.players.average,
            start_nimg=nimg,
            metrics=self.metrics,
            preset=self.preset,
        )

    def loader(self, nimg: int) -> Loader:
        """This rank's batches from an image count on."""
        data = self.config.data
        return Loader(
            self.dataset,
            batch=self.config.loop.batch,
            seed=self.config.seed,
            start_nimg=nimg,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
            workers=data.workers,
            prefetch=data.prefetch,
            device=self.device,
            damaged=data.damaged,
        )

    def _step(self) -> Step:
        config, players = self.config, self.state.players
        prior = Prior(
            config.seed,
            z_dim=players.generator.z_dim,
            num_ws=players.generator.num_ws,
            labels=self.dataset.labels,
            weights=self.dataset.weights,
            background_swap=config.loss.background_swap if config.generator.background else 0.0,
            style_mixing=config.loss.style_mixing,
        )
        objective = Objective(
            players.generator,
            players.critic,
            prior,
            Augmenter(config.augment, seed=config.seed, device=self.device),
            config.loss,
            seed=config.seed,
            device=self.device,
        )
        own = len(share(config.loop.batch, distributed.rank(), distributed.world_size()))
        return Step(
            players,
            objective,
            self.state.augmentation,
            self.state.stats,
            config.ema,
            batch=config.loop.batch,
            part=min(config.loop.part or own, own),
        )


def new_state(config: RunConfig, device: torch.device) -> RunState:
    """Fresh players: their weights follow from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = build_generator(config.generator)
        critic = build_critic(
            config.critic, resolution=config.generator.resolution, image_channels=config.generator.channels
        )
    generator, critic = (module.to(device).train().requires_grad_(False) for module in (generator, critic))
    density_every = config.loss.density_every if config.loss.density > 0 else None
    players = Players(
        generator,
        critic,
        Players.average_of(generator),
        adam(config.generator_adam, generator, density_every),
        adam(config.critic_adam, critic, config.loss.r1_every),
    )
    return RunState(players, Probability(config.augment, device), Collector(device))


def passed(before: int, now: int, every: int) -> bool:
    """Whether a multiple of `every` lies in (before, now]."""
    return now // every > before // every


def distributed_any(flag: bool, device: torch.device) -> bool:
    """Whether it is true on any rank: all must stop after the same step."""
    if distributed.world_size() == 1:
        return flag
    total = torch.tensor([int(flag)], device=device)
    distributed.sum_([total])
    return bool(total.item())


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """Set by SIGTERM and Ctrl-C; a second Ctrl-C ends at once."""
    asked = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    previous = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
