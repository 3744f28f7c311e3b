# SPDX-License-Identifier: Apache-2.0
"""What a process needs to train, predicted from shapes alone: what stays, and the peak of a step on top of it.

The step is the real one, taken on tensors without data (torch_utils/dry_run.py). Its two largest phases decide: the
generator's pictures with their gradients, and the critic's R1, which is differentiated twice.
"""

import dataclasses
import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from torch_utils.dry_run import cost_of
from training.augment.augmenter import Augmenter
from training.builder import build_critic, build_generator
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.objective import Objective, Part
from training.prior import Prior
from training.run_config import RunConfig
from training.schedules import step_values

_CPU = torch.device("cpu")
# Allocators keep blocks that were freed, which do not fit what is wanted next.
_ALLOCATOR_FACTOR = 1.25
_CUDA_CONTEXT_BYTES = 600 * 2**20  # What a process takes on a GPU before its first tensor.


@dataclasses.dataclass(frozen=True)
class StepMemory:
    """Bytes of tensors on the device that trains."""

    num_generator: int  # Parameters.
    num_critic: int
    weights: int  # Of both networks and the average, buffers too.
    moments: int  # Adam's.
    peak: int  # Gradients and pictures on their way, at the worst moment of a step.

    @property
    def total(self) -> int:
        return self.weights + self.moments + self.peak


def step_memory(config: RunConfig, part: int, is_split: bool, num_ranks: int = 1) -> StepMemory:
    """Of one process that computes `part` images together, as all of its share or as one part of several."""
    prior = _prior(config, part)
    augmenter = Augmenter(config.augment, seed=0, device=_CPU)

    def make() -> tuple[nn.Module, Callable[[], Any]]:
        networks = nn.ModuleDict(
            {
                "G": build_generator(config.generator).train(),
                "D": build_critic(
                    config.critic, resolution=config.generator.resolution, image_channels=config.generator.channels
                ).train(),
            }
        ).requires_grad_(False)
        return networks, lambda: _phases(config, networks, prior, augmenter, part, is_split)

    networks, cost = cost_of(make)
    G, D = networks["G"], networks["D"]
    bytes_of = {name: _bytes(network.parameters()) for name, network in networks.items()}
    # Ranks send all gradients of a network in one piece.
    flat = max(bytes_of.values()) if num_ranks > 1 else 0
    return StepMemory(
        num_generator=sum(p.numel() for p in G.parameters()),
        num_critic=sum(p.numel() for p in D.parameters()),
        weights=2 * bytes_of["G"] + bytes_of["D"] + 2 * _bytes(G.buffers()) + _bytes(D.buffers()),
        moments=2 * sum(bytes_of.values()),
        peak=max(cost.peak_bytes, sum(bytes_of.values()) + flat),
    )


def process_bytes(memory: StepMemory, device: torch.device, base_bytes: int | None = None) -> int:
    """Of the whole process: what it takes on a GPU, or its resident memory on a CPU."""
    kept = memory.weights + memory.moments + round(memory.peak * _ALLOCATOR_FACTOR)
    if device.type == "cuda":
        return kept + _CUDA_CONTEXT_BYTES
    return kept + (resident_bytes() if base_bytes is None else base_bytes)


def save_bytes(generator: nn.Module, critic: nn.Module) -> int:
    """Of one save on disk: both networks, the average, and two moments for every weight."""
    G, D = _bytes(generator.parameters()), _bytes(critic.parameters())
    return 2 * G + D + 2 * (G + D)


def resident_bytes() -> int:
    """Of this process now: interpreter and libraries, where nothing else was done yet. 0 where it cannot be known."""
    if not sys.platform.startswith("linux"):
        return 0
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _phases(
    config: RunConfig, networks: nn.ModuleDict, prior: Prior, augmenter: Augmenter, part: int, is_split: bool
) -> None:
    G, D = networks["G"], networks["D"]
    objective = Objective(
        G, D, prior, augmenter, config.loss, seed=0, device=_CPU, label_std=torch.ones(prior.labels.shape[1])
    )
    values = step_values(config.schedule, config.generator.renderer.resolution, 0)
    # The largest pictures of the run.
    final = config.schedule.raw_resolution or config.generator.renderer.resolution
    values = dataclasses.replace(values, raw_resolution=max(values.raw_resolution, final))
    images = Part(torch.arange(part), 0, part, values)
    p = torch.zeros(())
    size, channels = config.generator.resolution, config.generator.channels
    image = torch.zeros(part, channels, size, size, dtype=torch.uint8)
    mask = torch.zeros(part, 1, size, size, dtype=torch.uint8)

    _have_gradients(D)  # Those of the step before are dropped when the next ones are due.
    if is_split:
        _have_gradients(G)
    G.requires_grad_(True)
    objective.generator_main(images, p)[0].backward()
    G.requires_grad_(False)
    if not is_split:
        D.zero_grad(set_to_none=True)
    D.requires_grad_(True)
    reals = objective.prepared(image, mask, values)
    c = prior.labels[:part]
    phase = objective.critic_r1 if objective.has_r1 else objective.critic_reals
    phase(reals, c, images, p)[0].backward()


def _have_gradients(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)


def _prior(config: RunConfig, num: int) -> Prior:
    quarter = torch.full((num,), torch.pi / 2)
    with torch.device("meta"):
        num_ws = build_generator(config.generator).num_ws
    return Prior(
        0,
        z_dim=config.generator.mapping.z_dim,
        num_ws=num_ws,
        labels=label_from_camera(camera_on_sphere(quarter, quarter)).float(),
        weights=[1.0] * num,
        background_swap=config.loss.background_swap if config.generator.background else 0.0,
        style_mixing=config.loss.style_mixing,
    )


def _bytes(tensors: Any) -> int:
    return sum(x.nbytes for x in tensors if isinstance(x, Tensor))


def rough_bytes(config: RunConfig, num_ranks: int) -> int:
    """More than a process takes, at once. Several times as much, so it only serves to see that memory is plenty."""
    share = max(config.loop.batch // num_ranks, 1)
    part = min(config.loop.part or share, share)
    generator, critic = config.generator, config.critic
    field, marcher = generator.field, generator.renderer
    rays = max(marcher.resolution, config.schedule.raw_resolution or 0) ** 2
    samples = rays * (marcher.num_coarse + marcher.num_fine)
    pixels = generator.resolution**2
    widest = max(critic.channel_base // generator.resolution, *generator.superresolution.widths, 1)
    planes = field.resolution**2 * max(3 * field.channels * field.depth, field.channel_base // field.resolution)
    layers = samples * (field.decoder_width + 4 * field.channels) + pixels * min(widest, 512) * 24 + planes * 12
    networks = 100 * max(field.channel_max, critic.channel_max) ** 2 * 9
    return 4 * (8 * layers * part + 8 * networks) + 2**29
