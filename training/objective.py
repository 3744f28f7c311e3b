# SPDX-License-Identifier: Apache-2.0
"""What is wanted of generator and critic, as one sum per phase over the images of a part of the batch.

A *part* is a run of consecutive images of the global batch. Every loss is summed over the images of the part and
divided by the size of the whole batch, so gradients of all parts, on one rank or on many, add up to those of the batch.
"""

import dataclasses
from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from torch_utils import rng
from torch_utils.transfer import to_device
from training.augment.augmenter import Augmenter
from training.blur import blur
from training.conditions import split
from training.discriminator import Discriminator
from training.generator import Generator, Randomness
from training.loss_config import LossConfig
from training.losses.adversarial import critic_loss_of_fakes, critic_loss_of_reals, generator_loss
from training.losses.density import density_penalties
from training.losses.r1 import r1_penalty
from training.losses.shift import shift_penalty
from training.networks.superresolution import resize
from training.prior import Draw, Prior, styles
from training.schedules import StepValues
from training.types import Rendering

Reports = dict[str, Tensor]  # Per image, or single numbers; without graph.


@dataclasses.dataclass(frozen=True)
class Part:
    """Consecutive images of one step's batch."""

    indices: Int64[Tensor, " n"]
    batch_start: int
    batch: int
    values: StepValues


@dataclasses.dataclass(frozen=True)
class Means:
    """Sums over images that the running means of a generator are made of."""

    w: Float[Tensor, " w_dim"]
    change: Float[Tensor, " change"] | None


@final
class Objective:
    """The losses of one run."""

    def __init__(
        self,
        generator: Generator,
        critic: Discriminator,
        prior: Prior,
        augmenter: Augmenter,
        config: LossConfig,
        *,
        seed: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        label_std: Float[Tensor, " c_dim"]
        | None = None,  # Of the data set's cameras, for noise on what critics are told.
    ) -> None:
        self.generator = generator
        self.critic = critic
        self.prior = prior
        self.augmenter = augmenter
        self.config = config
        self.seed = seed
        self.device = device
        self.dtype = dtype
        assert config.label_noise == 0 or label_std is not None, "label noise is in deviations of the labels"
        self.label_noise = None if config.label_noise == 0 else config.label_noise * label_std.to(device)

    # ------------------------------------------------------------------------------------------------------------------
    # The phases.

    def generator_main(self, part: Part, p: Tensor) -> tuple[Tensor, Reports]:
        """Pictures that the critic takes for real ones, from cameras that are moved little."""
        draw, _, change, pictures = self._generated("G", part)
        scores = self._scores(pictures, draw.c, part, p, "G fakes")
        losses = generator_loss(scores)
        reports = {"scores/fake": scores, "G/adversarial": losses}
        if change is not None:
            penalty = shift_penalty(change, self.config.shift_form)
            losses = losses + self.config.shift * penalty
            reports["G/shift"] = penalty
        return self._total(losses, part), _detached(reports)

    def generator_density(self, part: Part) -> tuple[Tensor, Reports]:
        """Volumes without needless roughness."""
        draw = self._draw("G density", part)
        codes = {"ws": styles(self._mapping, draw.styles), **split(self._seen(draw)[0], self.generator.conditions)}
        state = self.generator.field.prepare(codes, self._randomness("G density", part).noise)
        penalties = density_penalties(
            self.config.density_kind,
            lambda points: self.generator.field.query(state, points).density,
            self.generator.field.box_size,
            seed=self.seed,
            purpose="G density",
            indices=self._index(part),
            step_std=self.config.density_step,
            dtype=self.dtype,
        )
        weights = dict.fromkeys(penalties, self.config.density) | {"monotonicity": self.config.monotonicity}
        losses = sum(weights[name] * penalty for name, penalty in penalties.items())
        reports = {f"G/{name}": penalty for name, penalty in penalties.items()}
        return self._total(losses, part) * self.config.density_every, _detached(reports)

    def critic_fakes(self, part: Part, p: Tensor) -> tuple[Tensor, Reports, Means]:
        """Generated pictures that the critic knows for what they are; and the sums for the generator's means."""
        with torch.no_grad():
            draw, ws, change, pictures = self._generated("D", part)
        scores = self._scores(pictures, draw.c, part, p, "D fakes")
        losses = critic_loss_of_fakes(scores)
        means = Means(ws[:, 0].sum(dim=0), None if change is None else change.sum(dim=0))
        return self._total(losses, part), _detached({"scores/fake": scores, "D/fake": losses}), means

    def critic_reals(self, reals: Mapping[str, Tensor], c: Tensor, part: Part, p: Tensor) -> tuple[Tensor, Reports]:
        """Real pictures that the critic takes for real."""
        scores = self._scores_of(self._blurred_reals(reals, part), c, part, p, "D reals")
        losses = critic_loss_of_reals(scores)
        return self._total(losses, part), _detached({"scores/real": scores, "D/real": losses})

    @property
    def has_r1(self) -> bool:
        return bool(self._r1_weights())

    def critic_r1(self, reals: Mapping[str, Tensor], c: Tensor, part: Part, p: Tensor) -> tuple[Tensor, Reports]:
        """Scores that are flat around real pictures."""
        weights = self._r1_weights()
        leaves = {
            name: picture.detach().requires_grad_(name in weights)
            for name, picture in self._blurred_reals(reals, part).items()
        }
        r1 = r1_penalty(self._scores_of(leaves, c, part, p, "D R1"), leaves, weights)
        reports = {f"D/r1_{name}": norm for name, norm in r1.squared_norms.items()}
        return self._total(r1.penalty, part) * self.config.r1_every, _detached(reports)

    def prepared(self, image: Tensor, mask: Tensor | None, values: StepValues) -> dict[str, Tensor]:
        """A batch of the data set as the critic's three pictures: in [-1, 1], the small ones as large as rendered."""
        image = image.to(self.dtype) / 127.5 - 1
        reals = {"image": image, "image_raw": resize(image, values.raw_resolution)}
        if mask is not None:
            reals["image_mask"] = resize(mask.to(self.dtype) / 255, values.raw_resolution)
        return reals

    # ------------------------------------------------------------------------------------------------------------------

    def _generated(self, phase: str, part: Part) -> tuple[Draw, Tensor, Tensor | None, Rendering]:
        """Codes to pictures. The camera that is corrected and rendered is the true one, whatever styles follow."""
        draw = self._draw(phase, part)
        ws = styles(self._mapping, draw.styles)
        ws_bcg = None if draw.background is None else styles(self._mapping, draw.background)
        c, change = self._seen(draw)
        pictures = self.generator.synthesis(
            ws,
            c,
            part.values.raw_resolution,
            ws_bcg=ws_bcg,
            randomness=self._randomness(phase, part),
            density_noise=part.values.density_noise,
        )
        return draw, ws, change, pictures

    def _seen(self, draw: Draw) -> tuple[Tensor, Tensor | None]:
        """The conditions that pictures are rendered under, and by how much they differ from those that were drawn."""
        if self.generator.adaptation is None:
            return draw.c, None
        return self.generator.adaptation(draw.styles.z, draw.c)

    def _mapping(self, z: Tensor, c: Tensor) -> Tensor:
        """Styles of (z, c) as the generator itself finds them when it is called."""
        adaptation = self.generator.adaptation
        if adaptation is not None and adaptation.precedes_mapping:
            c, _ = adaptation(z, c)
        return self.generator.mapping(z, c)

    def _draw(self, phase: str, part: Part) -> Draw:
        return self.prior.draw(
            phase,
            part.indices,
            batch_start=part.batch_start,
            batch=part.batch,
            swap_probability=part.values.swap_probability,
        ).to(self.device, self.dtype)

    def _randomness(self, phase: str, part: Part) -> Randomness:
        return Randomness(self.seed, phase, self._index(part))

    def _index(self, part: Part) -> Int64[Tensor, " n"]:
        return to_device(part.indices, self.device)

    def _scores(self, pictures: Mapping[str, Tensor], c: Tensor, part: Part, p: Tensor, purpose: str) -> Tensor:
        return self._scores_of(self._blurred(pictures, part), c, part, p, purpose)

    def _scores_of(self, pictures: Mapping[str, Tensor], c: Tensor, part: Part, p: Tensor, purpose: str) -> Tensor:
        index = self._index(part)
        shown, conditions = self.augmenter(pictures, {"camera": c}, p=p, index=index, purpose=purpose)
        c = self._with_noise(conditions["camera"], index, purpose)
        # The critic compares images i, i + n/g, i + 2 n/g, ...; so interleaved, these are neighbours in the batch, and
        # who is compared with whom does not depend on the size of the part.
        order = interleaved(len(c), self.critic.config.group_size, self.device)
        back = torch.argsort(order)
        scores = self.critic({name: picture[order] for name, picture in shown.items()}, c[order])
        return scores[back]

    def _with_noise(self, c: Tensor, index: Tensor, purpose: str) -> Tensor:
        """The deviation is that of the whole data set, so that it does not depend on how a batch is split."""
        if self.label_noise is None:
            return c
        noise = rng.normal(self.seed, f"label noise/{purpose}", index, (c.shape[1],))
        return c + (noise * self.label_noise).to(c.dtype)

    def _blurred(self, pictures: Mapping[str, Tensor], part: Part) -> dict[str, Tensor]:
        return dict(pictures) | {"image": self._blur(pictures["image"], part)}

    def _blurred_reals(self, reals: Mapping[str, Tensor], part: Part) -> dict[str, Tensor]:
        # Generated raw pictures are soft by themselves.
        return self._blurred(reals, part) | {"image_raw": self._blur(reals["image_raw"], part)}

    def _blur(self, picture: Tensor, part: Part) -> Tensor:
        return blur(picture, part.values.blur_sigma)

    def _r1_weights(self) -> dict[str, float]:
        weights = {"image": self.config.gamma, "image_raw": self.config.gamma, "image_mask": self.config.gamma_mask}
        shown = {"image": "image", "image_raw": "raw", "image_mask": "mask"}
        return {
            name: weight for name, weight in weights.items() if weight > 0 and shown[name] in self.critic.config.inputs
        }

    @staticmethod
    def _total(losses: Float[Tensor, " n"], part: Part) -> Tensor:
        return losses.sum() / part.batch


def interleaved(count: int, group_size: int, device: torch.device | str = "cpu") -> Int64[Tensor, " count"]:
    """An order in which those that are equal modulo the number of groups are neighbours of the old order."""
    group = min(group_size, count)
    assert count % group == 0, f"{count} images cannot be compared in groups of {group}"
    return torch.arange(count, device=device).view(-1, group).T.flatten()


def _detached(reports: Mapping[str, Tensor]) -> Reports:
    return {name: value.detach() for name, value in reports.items()}
