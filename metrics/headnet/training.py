# SPDX-License-Identifier: Apache-2.0
"""The training of HeadNet: which pictures a step sees, what it does, and how it is stopped and continued.

Order and augmentation of a step follow from the seed and its number, so a run that was stopped goes on as if it had not
been. On one machine with one number of threads the result is the same bit by bit.
"""

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from dnnlib.progress import progress
from dnnlib.stop import stop_requests
from metrics.headnet import losses
from metrics.headnet.augmentation import augmented
from metrics.headnet.headset import HeadSet
from metrics.headnet.network import HeadNet
from torch_utils import checkpoint, rng
from torch_utils.checkpoint import CheckpointError
from training.optimizer import load_state_tensors, state_tensors

_SAVE_EVERY = 200  # Steps.
_WARM_UP = 0.05  # Of the steps.
VIEWS = 4  # Of an identity in a batch.


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a training is asked for."""

    steps: int = 1600
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0


@dataclasses.dataclass
class Progressed:
    """How far it has come. Mean losses are of the last tenth of the steps."""

    step: int = 0
    seconds: float = 0.0
    losses: dict[str, float] = dataclasses.field(default_factory=dict)


def train(heads: HeadSet, plan: Plan, state: Path, told: dict[str, Any]) -> tuple[HeadNet, Progressed] | None:
    """The trained network; None if it was asked to stop before.

    `state` is the file from which the same call goes on. `told` describes the data: a state of others is refused.
    """
    if heads.identity.unique(return_counts=True)[1].max() < 2:
        raise ValueError("every head is seen once only: make the set with --views-per-identity=8 or so")
    net = _begun(heads, plan)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=(0.9, 0.99), fused=True
    )
    origin = {"plan": dataclasses.asdict(plan), "data": told}
    done = _restored(state, net, optimizer, origin)
    net.train()
    start_s = time.monotonic() - done.seconds
    with stop_requests() as stop, progress(plan.steps, "HeadNet", "step", done.step) as bar:
        while done.step < plan.steps and not stop.is_set():
            parts = _step(net, optimizer, heads, plan, done.step)
            done.step += 1
            done.seconds = time.monotonic() - start_s
            done.losses = _averaged(done.losses, parts, plan.steps / 10)
            if done.step % _SAVE_EVERY == 0 or done.step == plan.steps or stop.is_set():
                _save(state, net, optimizer, origin, done)
            bar.advance()
    return (net.eval(), done) if done.step == plan.steps else None


def _step(net: HeadNet, optimizer: torch.optim.AdamW, heads: HeadSet, plan: Plan, step: int) -> dict[str, float]:
    some = heads.rows(order(plan.seed, step, plan.batch, heads.identity))
    draws = rng.generator(plan.seed, "headnet/augment", step)
    seen = augmented(some.image.float() / 127.5 - 1, some.mask.float() / 255, draws)
    yaw_rad = torch.where(seen.is_mirrored, -some.yaw_rad, some.yaw_rad)
    numbers = (some.numbers - net.number_mean) / net.number_std
    parts = losses.terms(net(seen.image), some, yaw_rad, seen.mask, numbers)
    for group in optimizer.param_groups:
        group["lr"] = plan.learning_rate * pace(step / plan.steps)
    optimizer.zero_grad()
    losses.total(parts).backward()
    optimizer.step()
    return {name: float(part.detach()) for name, part in parts.items()}


def order(seed: int, step: int, batch: int, identity: Int64[Tensor, " n"]) -> Int64[Tensor, " batch"]:
    """The rows of a step: so many identities as fill the batch, from VIEWS sides each, which are drawn anew.

    Every epoch has all identities once, in another order; a step may reach into the next one.
    """
    known = identity.unique()
    count = batch // VIEWS
    first = step * count
    epochs = range(first // len(known), (first + count - 1) // len(known) + 1)
    orders = [torch.randperm(len(known), generator=rng.generator(seed, "headnet/order", epoch)) for epoch in epochs]
    chosen = known[torch.cat(orders)[first - epochs[0] * len(known) :][:count]]
    shuffled = torch.randperm(len(identity), generator=rng.generator(seed, "headnet/views", step))
    return torch.cat([shuffled[identity[shuffled] == one][:VIEWS] for one in chosen])


def pace(share: float) -> float:
    """Of the learning rate, at a share of the training: a ramp up, then half a cosine down to 0."""
    if share < _WARM_UP:
        return share / _WARM_UP
    return 0.5 + 0.5 * math.cos(math.pi * (share - _WARM_UP) / (1 - _WARM_UP))


@torch.no_grad()
def calibrate(net: HeadNet, heads: HeadSet, batch: int = 256) -> None:
    """Measures what features and maps are shifted and scaled by, of pictures as they are."""
    means, squares = [], []
    for images in heads.image.split(batch):
        maps = net.maps(images.float() / 127.5 - 1)
        means.append(torch.cat([level.mean(dim=(2, 3)) for level in maps], dim=1).double())
        squares.append(torch.cat([level.square().mean(dim=(2, 3)) for level in maps], dim=1).double())
    features, square = torch.cat(means), torch.cat(squares)
    mean = features.mean(dim=0)
    net.feature_mean.copy_(mean)
    net.feature_std.copy_(_no_zero(features.std(dim=0)))
    net.map_std.copy_(_no_zero((square.mean(dim=0) - mean.square()).sqrt()))


def _no_zero(std: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """A channel that hardly ever changes is as good as none; it must not be divided by next to nothing."""
    return std.clamp(min=0.01 * float(std.median()))


def _begun(heads: HeadSet, plan: Plan) -> HeadNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.key_of(plan.seed, "headnet/weights") >> 1)
        net = HeadNet().to(memory_format=torch.channels_last)
    net.number_mean.copy_(heads.numbers.mean(dim=0))
    net.number_std.copy_(heads.numbers.std(dim=0))
    return net


def _save(path: Path, net: HeadNet, optimizer: torch.optim.AdamW, origin: dict[str, Any], done: Progressed) -> None:
    tensors = {f"net/{name}": tensor for name, tensor in net.state_dict().items()}
    tensors |= {f"optimizer/{name}": tensor for name, tensor in state_tensors(optimizer, net).items()}
    checkpoint.write(path, tensors, origin | {"done": dataclasses.asdict(done)})


def _restored(path: Path, net: HeadNet, optimizer: torch.optim.AdamW, origin: dict[str, Any]) -> Progressed:
    if not path.exists():
        return Progressed()
    tensors, header = checkpoint.read(path)
    if {name: header.get(name) for name in origin} != origin:
        raise CheckpointError(f"{path}: is of another plan or other data; choose another folder, or remove the file")
    parts: dict[str, dict[str, Tensor]] = {"net": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    checkpoint.load_weights(net, parts["net"], str(path))
    load_state_tensors(optimizer, net, parts["optimizer"], str(path))
    return Progressed(**header["done"])


def _averaged(before: dict[str, float], now: dict[str, float], steps: float) -> dict[str, float]:
    """An average that forgets over about so many steps."""
    kept = 1 - 1 / max(steps, 1.0)
    return {name: kept * before.get(name, value) + (1 - kept) * value for name, value in now.items()}
