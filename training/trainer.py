# SPDX-License-Identifier: Apache-2.0
"""The loop of a run: batches in, steps, ticks, saves; from its first image or from its newest save.

All ranks run it alike. Only the main rank writes. A run stops at its end, or after the step in which it is asked to
or its time is over.
"""

import math
import time
from types import MappingProxyType
from typing import Any, final

import torch

from dnnlib.config import ConfigError
from dnnlib.console import get_logger
from dnnlib.progress import progress
from dnnlib.stop import stop_requests
from torch_utils import distributed
from torch_utils.agreement import StopAgreement
from torch_utils.replicas import broadcast_module
from torch_utils.stats import Collector
from training.augment.augmenter import Augmenter
from training.augment.probability import Probability
from training.builder import build_critic, build_generator
from training.compiled import compile_networks
from training.data.dataset import open_dataset
from training.data.fingerprint import fingerprint
from training.data.loader import Loader
from training.objective import Objective
from training.optimizer import adam
from training.prior import Prior
from training.provenance import made_by, provenance
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.run_state import RunState, load_newest, save
from training.schedules import passed, step_values
from training.starting_weights import load_weights, without_ramps
from training.step import Players, Step, part_size
from training.ticks import Ticks
from training.watch.divergence import check_weights
from training.watch.watch import Metrics, Watch

log = get_logger(__name__)


class SaveError(OSError):
    """The end of a run could not be written. What was saved before is as it was."""


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
        self.config = without_ramps(config)
        self.folder = folder
        self.device = device
        self.metrics = metrics
        self.preset = preset
        self.dataset = open_dataset(config.data, seed=config.seed)
        self.fingerprint = fingerprint(self.dataset)
        self.state = new_state(self.config, device)
        if config.numerics.compile:
            compile_networks(self.state.players.generator)
        self.step = self._step()
        self.began_from: dict[str, Any] | None = None

    def run(self, limit_s: float = math.inf) -> int:
        """Trains to the end, until it is stopped, or for so long; gives the image count."""
        loop, end_s = self.config.loop, time.monotonic() + limit_s
        with stop_requests() as stop:
            nimg, elapsed_s = self._begin()
            agreed = StopAgreement()
            with (
                self.loader(nimg) as loader,
                self._watch(nimg) as watch,
                progress(loop.total_nimg, "images", "img", done_before=nimg) as bar,
            ):
                ticks = Ticks(self.folder, self.state.stats, loader, self.device, start_nimg=nimg, elapsed_s=elapsed_s)
                is_stopped = is_late = False
                while nimg < loop.total_nimg and not (is_stopped or is_late):
                    values = step_values(self.config.schedule, self.config.generator.renderer.resolution, nimg)
                    self.step(next(loader).to(self.device, non_blocking=True), nimg, values)
                    before, nimg = nimg, nimg + loop.batch
                    bar.advance(loop.batch)
                    if agreed(stop.is_set() or time.monotonic() >= end_s):
                        is_stopped = any(distributed.gather_json(stop.is_set()))
                        is_late = not is_stopped
                    is_complete = nimg >= loop.total_nimg or is_late
                    if passed(before, nimg, loop.tick_nimg) or is_complete:
                        watch.tick(ticks.report(nimg, {"augment_p": self.state.augmentation.p.item()}))
                        self.step.divergence.check(nimg, loop.batch, self.folder.saves())
                    if passed(before, nimg, loop.snapshot_nimg) or is_complete or is_stopped:
                        self._save(nimg, ticks.elapsed_s, is_last=is_complete or is_stopped)
                        if not is_stopped:  # Who stops a run does not wait for pictures.
                            watch.snapshot(nimg)
        if is_stopped:
            log.info(f"Stopped at {nimg} images and saved. The same command goes on from here.")
        elif nimg < loop.total_nimg:
            log.info(f"The time is over: {nimg} images, saved. The same command goes on from here.")
        return nimg

    def _begin(self) -> tuple[int, float]:
        """From the newest save, or from the first image."""
        header = load_newest(self.state, self.folder, self.fingerprint)
        if header is None:
            return self._begin_anew(), 0.0
        is_complete = header.nimg >= self.config.loop.total_nimg
        log.info(f"{header.nimg} images: the run is complete; a larger --kimg makes it longer." if is_complete
                 else f"Going on from image {header.nimg}.")  # fmt: skip
        if header.made_by != (now := made_by(self.config)):
            log.info(f"Saved by {header.made_by}, now {now}: the same course to rounding, not to the bit.")
        self.began_from = header.progress.began_from
        return header.nimg, header.progress.elapsed_s

    def _begin_anew(self) -> int:
        resume, loop, players = self.config.resume, self.config.loop, self.state.players
        if resume.start_nimg >= loop.total_nimg:
            raise ConfigError(
                f"resume.start_nimg: the run is to begin at {resume.start_nimg} images and to end at {loop.total_nimg}"
                ": raise loop.total_nimg"
            )
        if resume.source is not None and distributed.is_main():
            self.began_from = load_weights(players, resume.source)
        for network in (players.generator, players.critic, players.average):
            broadcast_module(network)
        if resume.source is not None:
            # From here on the run needs its source no more, which may change or go.
            self._save(resume.start_nimg, elapsed_s=0.0, is_last=True)
        return resume.start_nimg

    def _save(self, nimg: int, elapsed_s: float, is_last: bool) -> None:
        """Without room a run goes on, and tries again at the next snapshot; at its end that is an error."""
        players = self.state.players
        weights = {"G": players.generator, "D": players.critic, "G_ema": players.average}
        check_weights(weights, nimg, self.folder.saves())
        told = {
            "progress": {"elapsed_s": elapsed_s, "began_from": self.began_from},
            "data": self.fingerprint,
            "made_by": made_by(self.config),
        }
        origin = provenance(self.config, self.folder.path.name, self.fingerprint, elapsed_s, self.began_from)
        problem = save(self.state, self.folder, nimg, told, origin)
        if problem and is_last:
            raise SaveError(
                f"The run could not be saved at {nimg} images: {problem}. Its earlier saves are as they were: make "
                "room, and the same command goes on from the newest."
            )
        if problem:
            log.error(f"No save at {nimg} images: {problem}. The run goes on and tries again at the next snapshot.")
        elif distributed.is_main():
            self.folder.prune(self.config.loop.keep_last, self.config.loop.keep_every_nimg)

    def _watch(self, nimg: int) -> Watch:
        loop = self.config.loop
        if nimg == self.config.resume.start_nimg:
            due = ()
        else:
            is_snapshot = passed(nimg - loop.batch, nimg, loop.snapshot_nimg) or nimg >= loop.total_nimg
            due = tuple(self.metrics) if is_snapshot else None  # A run that was stopped, or its time, saves anywhere.
        return Watch(
            self.folder,
            self.config,
            self.dataset,
            self.state.players.average,
            start_nimg=nimg,
            metrics=self.metrics,
            preset=self.preset,
            due=due,
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
            label_std=self.dataset.label_std if config.loss.label_noise else None,
        )
        return Step(
            players,
            objective,
            self.state.augmentation,
            self.state.stats,
            config.ema,
            batch=config.loop.batch,
            part=part_size(config.loop, config.critic.group_size),
            frozen_critic_layers=config.frozen_critic_layers,
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
