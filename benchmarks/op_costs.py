# SPDX-License-Identifier: Apache-2.0
"""What every operator of a training step costs, from shapes alone: operations and the bytes it must read and write.

A step is taken on fake tensors, which have shapes and no data. Operations are those of convolutions and matrix
products, two for a multiplication with its addition. Bytes are those of the tensors that an operator is given and
gives; of planes that are sampled, the texels that are read, several for each sample.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, shape_wrapper

import torch_utils.ops.trigrid_decode  # noqa: F401  Registers the operators that are counted below.
from torch_utils.dry_run import FLOPS
from training.augment.augmenter import Augmenter
from training.builder import build_critic, build_generator
from training.objective import Objective, Part
from training.run_config import RunConfig
from training.schedules import step_values
from training.step_memory import _prior

_CPU = torch.device("cpu")
_LATE_NIMG = 10_000_000  # Behind the blur and the density noise of the beginning.


class Op(NamedTuple):
    """One call of an operator."""

    name: str
    flops: int
    bytes: int
    is_half: bool  # Whether it computes in 16 bits.


class Costs(NamedTuple):
    """Of a training step of some images on one device: every phase once, with how often it is due in a step."""

    images: int
    phases: dict[str, list[Op]]
    due: dict[str, float]
    num_generator: int  # Parameters.
    num_critic: int

    def per_image(self, value: Callable[[Op], float]) -> float:
        """Of a step, by how often phases are due."""
        return sum(self.due[name] * sum(map(value, ops)) for name, ops in self.phases.items()) / self.images


@final
class Meter(TorchDispatchMode):
    """Lists the operators that compute; views and what allocates without writing are none."""

    def __init__(self) -> None:
        super().__init__()
        self.ops: list[Op] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        formula = _FORMULAS.get(packet)
        if formula is None and func.namespace != "prim":
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        if not func.is_view and func.namespace != "prim" and packet.__name__ not in _FREE:
            flops = 0 if formula is None else formula(*args, **kwargs, out_val=result)
            given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
            gives = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
            if given or gives:
                read = _GATHERS[packet](*args, **kwargs) if packet in _GATHERS else sum(map(_bytes, given))
                is_half = any(x.dtype in (torch.float16, torch.bfloat16) for x in given)
                self.ops.append(Op(str(packet), flops, read + sum(map(_bytes, gives)), is_half))
        return result


_FREE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_local_scalar_dense", "detach"}
_FORMULAS = flop_registry | {packet: shape_wrapper(formula) for packet, formula in FLOPS.items()}


def _bytes(x: Tensor) -> int:
    """What is expanded lies in memory once."""
    return min(x.nbytes, x.untyped_storage().nbytes())


def _texels(planes: Tensor, points: Tensor, planar: bool) -> int:
    """Of three planes four for each point, or eight; and the points themselves."""
    corners = 4 if planar else 8
    return 3 * corners * prod(points.shape[:2]) * planes.shape[3] * planes.element_size() + _bytes(points)


def _decoded(planes: Tensor, points: Tensor, *rest: object) -> int:
    """Of the layers nothing: they stay in the cache."""
    return _texels(planes, points, planar=rest[6])


def _decoded_backward(g_density: Tensor, g_features: Tensor, planes: Tensor, points: Tensor, *rest: object) -> int:
    """Texels are read for the points' features, and read and written where they get their gradient."""
    texels = _texels(planes, points, planar=rest[6])
    return texels * (3 if rest[8] else 1) + _bytes(g_density) + _bytes(g_features)


def _stock_sampled(image: Tensor, grid: Tensor, *_: object, **__: object) -> int:
    """Of one plane."""
    corners = 2 ** grid.shape[-1]
    return corners * prod(grid.shape[:-1]) * image.shape[1] * image.element_size() + _bytes(grid)


def _stock_scattered(g: Tensor, image: Tensor, grid: Tensor, *rest: object, **options: object) -> int:
    return 2 * _stock_sampled(image, grid) + _bytes(g)


_GATHERS = {
    torch.ops.fullhead.trigrid_decode: _decoded,
    torch.ops.fullhead.trigrid_decode_grad: _decoded_backward,
    torch.ops.aten.grid_sampler_2d: _stock_sampled,
    torch.ops.aten.grid_sampler_3d: _stock_sampled,
    torch.ops.aten.grid_sampler_2d_backward: _stock_scattered,
    torch.ops.aten.grid_sampler_3d_backward: _stock_scattered,
}


# ----------------------------------------------------------------------------------------------------------------------
# A step.


def metered(work: Callable[[], object]) -> list[Op]:
    """What `work` computes; call it with tensors that were made under the same FakeTensorMode, or with real ones."""
    with Meter() as meter:
        work()
    return meter.ops


def costs_of_step(config: RunConfig, images: int) -> Costs:
    """Of `images` that a device computes together, late in the run."""
    prior, augmenter = _prior(config, images), Augmenter(config.augment, seed=0, device=_CPU)
    size, channels = config.generator.resolution, config.generator.channels
    with FakeTensorMode(allow_non_fake_inputs=True), torch.random.fork_rng(devices=[]):
        G = build_generator(config.generator).train().requires_grad_(False)
        D = build_critic(config.critic, resolution=size, image_channels=channels).train().requires_grad_(False)
        std = torch.ones(prior.labels.shape[1])
        objective = Objective(G, D, prior, augmenter, config.loss, seed=0, device=_CPU, label_std=std)
        values = step_values(config.schedule, config.generator.renderer.resolution, _LATE_NIMG)
        part, p, c = Part(torch.arange(images), _LATE_NIMG, images, values), torch.zeros(()), prior.labels[:images]
        image = torch.zeros(images, channels, size, size, dtype=torch.uint8)
        mask = torch.zeros(images, 1, size, size, dtype=torch.uint8)

        def reals() -> dict[str, Tensor]:
            return objective.prepared(image, mask, values)

        def generator() -> None:
            objective.generator_main(part, p)[0].backward()

        def density() -> None:
            objective.generator_density(part)[0].backward()

        def critic() -> None:
            objective.critic_fakes(part, p)[0].backward()
            objective.critic_reals(reals(), c, part, p)[0].backward()

        def r1() -> None:
            objective.critic_r1(reals(), c, part, p)[0].backward()

        works: dict[str, tuple[nn.Module, Callable[[], None], float]] = {"G": (G, generator, 1), "D": (D, critic, 1)}
        if objective.has_r1:
            works["R1"] = (D, r1, 1 / config.loss.r1_every)
        if config.loss.density > 0:
            works["density"] = (G, density, 1 / config.loss.density_every)
        phases = {}
        for name, (module, work, _) in works.items():
            module.requires_grad_(True)
            phases[name] = metered(work)
            module.requires_grad_(False).zero_grad(set_to_none=True)
    return Costs(
        images,
        phases,
        {name: due for name, (_, _, due) in works.items()},
        sum(parameter.numel() for parameter in G.parameters()),
        sum(parameter.numel() for parameter in D.parameters()),
    )
