# SPDX-License-Identifier: Apache-2.0
"""One step: the due phases of both players, each over the parts of this rank's share of the batch, then one update.

Gradients of parts and ranks add up to those of the batch, so a step gives the same (to rounding) for every split.
"""

import copy
import dataclasses
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from dnnlib.config import ConfigError
from torch_utils import distributed, sampler
from torch_utils.ema import ema_beta, update_ema_
from torch_utils.stats import Collector
from training.augment.probability import Probability
from training.discriminator import Discriminator
from training.ema_config import EmaConfig
from training.generator import Generator
from training.objective import Objective, Part, Reports
from training.run_config import LoopConfig
from training.schedules import StepValues, passed
from training.types import Batch
from training.watch.divergence import Divergence

W_AVG_BETA = 0.998  # What is kept of the running means of styles and camera shifts in each step.


@dataclasses.dataclass(frozen=True)
class Players:
    """What is trained."""

    generator: Generator
    critic: Discriminator
    average: Generator  # Of the generator, over time.
    generator_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer

    @staticmethod
    def average_of(generator: Generator) -> Generator:
        return copy.deepcopy(generator).eval().requires_grad_(False)


class Step:
    """Trains both players on one batch at a time."""

    def __init__(
        self,
        players: Players,
        objective: Objective,
        augmentation: Probability,
        stats: Collector,
        ema: EmaConfig,
        *,
        batch: int,
        part: int,  # Images that are computed together; a divisor of every rank's share.
        frozen_critic_layers: int = 0,
    ) -> None:
        self.players = players
        self.objective = objective
        self.augmentation = augmentation
        self.stats = stats
        self.ema = ema
        self.batch = batch
        self.part = part
        frozen = players.critic.layers[:frozen_critic_layers]
        self._frozen = {id(parameter) for layer in frozen for parameter in layer.parameters()}
        self.divergence = Divergence(objective.device)

    def __call__(self, data: Batch, cur_nimg: int, values: StepValues) -> None:
        """`data` is this rank's share of the batch that begins with image `cur_nimg`."""
        players, config = self.players, self.objective.config
        number = cur_nimg // self.batch
        parts = list(self._parts(data, cur_nimg, values))
        p = self.augmentation.p

        self._update(players.generator, players.generator_optimizer, parts, lambda part, _: self._generator(part, p))
        if config.density > 0 and number % config.density_every == 0:
            self._update(players.generator, players.generator_optimizer, parts, lambda part, _: self._density(part))

        self._w_sum, self._change_sum = None, None
        self._update(players.critic, players.critic_optimizer, parts, lambda part, share: self._critic(part, share, p))
        self._update_means()
        if number % config.r1_every == 0 and self.objective.has_r1:
            self._update(players.critic, players.critic_optimizer, parts, lambda part, share: self._r1(part, share, p))

        if passed(cur_nimg, cur_nimg + self.batch, self.augmentation.config.interval_nimg):
            self.augmentation.adjust_()
        beta = ema_beta(self.batch, self.ema.half_life_nimg, cur_nimg + self.batch, self.ema.rampup)
        update_ema_(players.average, players.generator, beta)

    # ------------------------------------------------------------------------------------------------------------------
    # Phases, for one part.

    def _generator(self, part: Part, p: Tensor) -> None:
        loss, reports = self.objective.generator_main(part, p)
        loss.backward()
        self._report(reports, part)

    def _density(self, part: Part) -> None:
        loss, reports = self.objective.generator_density(part)
        loss.backward()
        self._report(reports, part)

    def _critic(self, part: Part, share: Batch, p: Tensor) -> None:
        loss, reports, means = self.objective.critic_fakes(part, p)
        loss.backward()
        self._report(reports, part)
        self._w_sum = means.w if self._w_sum is None else self._w_sum + means.w
        if means.change is not None:
            self._change_sum = means.change if self._change_sum is None else self._change_sum + means.change
        loss, reports = self.objective.critic_reals(self._reals(share, part), share.conditions["camera"], part, p)
        loss.backward()
        self._report(reports, part)
        self.augmentation.observe(reports["scores/real"])

    def _r1(self, part: Part, share: Batch, p: Tensor) -> None:
        loss, reports = self.objective.critic_r1(self._reals(share, part), share.conditions["camera"], part, p)
        loss.backward()
        self._report(reports, part)

    def _reals(self, share: Batch, part: Part) -> dict[str, Tensor]:
        return self.objective.prepared(share.image, share.mask, part.values)

    # ------------------------------------------------------------------------------------------------------------------

    def _parts(self, data: Batch, cur_nimg: int, values: StepValues) -> Iterator[tuple[Part, Batch]]:
        own = len(data.image)
        first = cur_nimg + distributed.rank() * own
        for start in range(0, own, self.part):
            share = data[start : start + self.part]
            indices = torch.arange(first + start, first + start + len(share.image))
            yield Part(indices, cur_nimg, self.batch, values), share

    def _update(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        parts: list[tuple[Part, Batch]],
        accumulate: Callable[[Part, Batch], None],
    ) -> None:
        for parameter in module.parameters():
            parameter.requires_grad_(id(parameter) not in self._frozen)
        optimizer.zero_grad(set_to_none=True)
        for part, share in parts:
            accumulate(part, share)
        module.requires_grad_(False)
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        distributed.sum_(gradients)
        self._sanitize(gradients, "G" if module is self.players.generator else "D")
        optimizer.step()

    def _sanitize(self, gradients: list[Tensor], player: str) -> None:
        """What is not finite would stay in the optimizer for ever. It is counted, and reported at the next tick."""
        norm = torch.stack(torch._foreach_norm(gradients)).square().sum().sqrt()
        self.stats.report(f"{player}/gradient_norm", norm)
        # A finite norm has finite terms. On a GPU nobody looks: the step would wait for the answer.
        if norm.device.type == "cpu" and bool(norm.isfinite()):
            self.stats.report(f"{player}/nonfinite_gradients", torch.zeros(()))
            return
        # In one piece: a GPU would wait for the host if it were told of each gradient.
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self.stats.report(f"{player}/nonfinite_gradients", (~flat.isfinite()).sum() / flat.numel())
        flat = torch.nan_to_num_(flat, nan=0.0, posinf=1e5, neginf=-1e5)
        pieces = flat.split([gradient.numel() for gradient in gradients])
        torch._foreach_copy_(gradients, [piece.view(g.shape) for piece, g in zip(pieces, gradients, strict=True)])

    @torch.no_grad()
    def _update_means(self) -> None:
        """Of styles and camera shifts, over the whole batch."""
        generator = self.players.generator
        means = [(generator.mapping_network.w_avg, self._w_sum)]
        if self._change_sum is not None:
            means.append((generator.adaptation.mapping.w_avg, self._change_sum))
        distributed.sum_([total for _, total in means])
        for average, total in means:
            average.lerp_((total / self.batch).to(average.dtype), 1 - W_AVG_BETA)

    def _report(self, reports: Reports, part: Part) -> None:
        self.divergence.observe(reports, part.batch_start)
        for name, values in reports.items():
            self.stats.report(name, values)
            if name.startswith("scores/"):
                self.stats.report(name.replace("scores", "signs"), values.sign())


def part_size(config: LoopConfig, group_size: int) -> int:
    """Images that are computed together. What cannot be split so is refused before a step is made."""
    own = len(sampler.share(config.batch, distributed.rank(), distributed.world_size()))
    part = own if config.part is None else config.part
    if own % part:
        raise ConfigError(
            f"loop.part: {part} images are to be computed together, but a rank's share of the batch is {own}: set it "
            f"to a divisor of {own}, or to null for the whole share"
        )
    if part % min(group_size, part):
        raise ConfigError(
            f"critic.group_size: the critic compares {group_size} images with each other, which does not divide the "
            f"{part} that are computed together (loop.part): set it to a divisor of {part}"
        )
    return part
