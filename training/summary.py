# SPDX-License-Identifier: Apache-2.0
"""What a generator and a critic consist of and what they cost, as text. Nothing is computed for it.

Memory is predicted by a dry run (torch_utils/dry_run.py). What a process takes beyond it, some hundred megabytes, is
PyTorch itself.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dnnlib.text import format_bytes, format_count
from torch_utils.dry_run import Cost, cost_of
from training.builder import build_critic, build_generator
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.discriminator import Discriminator
from training.generator import Generator, Randomness
from training.model_config import CriticConfig, GeneratorConfig

_DEPTH = 3  # Levels of modules that the table shows.


def summary(generator: GeneratorConfig, critic: CriticConfig | None, c_dim: int, batch: int) -> str:
    """Tables of both networks, and the memory that a picture and a training step of `batch` pictures take."""
    G, cost = _generator_cost(generator, c_dim, batch, is_training=False)
    lines = _table("Generator", G, cost, batch)
    _, training_cost = _generator_cost(generator, c_dim, batch, is_training=True)
    weights = sum(p.nbytes for p in G.parameters())
    if critic is not None:
        D, critic_cost = _critic_cost(generator, critic, c_dim, batch)
        lines += ["", *_table("Critic", D, critic_cost, batch)]
    render, step = (format_bytes(weights + peak) for peak in (cost.peak_bytes, training_cost.peak_bytes))
    lines += [
        "",
        f"Memory for a batch of {batch}, with the generator's weights: {render} to render it, {step} for its step.",
    ]
    return "\n".join(lines) + "\n"


def network_summary(network: Generator | Discriminator, batch: int) -> str:
    """The table of one network."""
    if isinstance(network, Generator):
        G, cost = _generator_cost(network.config, network.c_dim, batch, is_training=False)
        return "\n".join(_table("Generator", G, cost, batch)) + "\n"
    size = {"resolution": network.img_resolution, "channels": network.img_channels}
    D, cost = _critic_cost(GeneratorConfig(**size), network.config, network.c_dim, batch)
    return "\n".join(_table("Critic", D, cost, batch)) + "\n"


def rendering_bytes(config: GeneratorConfig, c_dim: int, batch: int, *, is_training: bool) -> int:
    """Predicted peak of the tensors that rendering a batch makes; with gradients if `is_training`."""
    return _generator_cost(config, c_dim, batch, is_training=is_training)[1].peak_bytes


def _generator_cost(config: GeneratorConfig, c_dim: int, batch: int, *, is_training: bool) -> tuple[Generator, Cost]:
    def make() -> tuple[Generator, Callable[[], Any]]:
        G = build_generator(config, c_dim).train(is_training)
        z, c = torch.zeros(batch, G.z_dim), _labels(batch, c_dim)
        randomness = Randomness(0, "dry run", torch.arange(batch)) if is_training else None

        def render() -> None:
            with torch.set_grad_enabled(is_training):
                moved = c if G.adaptation is None else G.adaptation(z, c)[0]
                out = G.synthesis(G.mapping(z, c), moved, randomness=randomness)
                if is_training:
                    sum(out[key].sum() for key in ("image", "image_raw", "image_mask")).backward()

        return G, render

    return cost_of(make)


def _critic_cost(
    generator: GeneratorConfig, critic: CriticConfig, c_dim: int, batch: int
) -> tuple[Discriminator, Cost]:
    def make() -> tuple[Discriminator, Callable[[], Any]]:
        D = build_critic(critic, resolution=generator.resolution, image_channels=generator.channels, c_dim=c_dim)
        size, raw_size = generator.resolution, generator.renderer.resolution
        shown = {
            "image": torch.zeros(batch, generator.channels, size, size),
            "image_raw": torch.zeros(batch, generator.channels, raw_size, raw_size),
            "image_mask": torch.zeros(batch, 1, raw_size, raw_size),
        }
        return D, lambda: D(shown, _labels(batch, c_dim)).sum().backward()

    return cost_of(make)


def _labels(batch: int, c_dim: int) -> Tensor:
    quarter = torch.full((batch,), torch.pi / 2)
    return torch.nn.functional.pad(label_from_camera(camera_on_sphere(quarter, quarter)).float(), (0, c_dim - 25))


def _table(title: str, module: nn.Module, cost: Cost, batch: int) -> list[str]:
    rows = [("module", "parameters", "FLOP per picture")]
    for name, part in module.named_modules():
        depth = name.count(".") + 1 if name else 0
        own = sum(p.numel() for p in part.parameters())
        if own and depth <= _DEPTH:
            flops = cost.flops_by_module.get(name, 0) // batch
            shown = f"{'  ' * depth}{name.rpartition('.')[2] or title}"
            rows.append((shown, f"{own:,}", format_count(flops) if flops else ""))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]
