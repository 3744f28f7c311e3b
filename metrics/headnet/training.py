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
from torch import Tensor, nn

from dnnlib.progress import progress
from dnnlib.stop import stop_requests
from metrics.headnet import losses
from metrics.headnet.augmentation import augmented
from metrics.headnet.headset import HeadSet
from metrics.headnet.network import IDENTITY, HeadNet
from torch_utils import checkpoint, rng
from torch_utils.checkpoint import CheckpointError
from training.optimizer import load_state_tensors, state_tensors

_SAVE_EVERY = 200  # Steps.
_WARM_UP = 0.05  # Of the steps.


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a training is asked for."""

    steps: int = 3000
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 0


class Learner(nn.Module):
    """The network and what it needs only while it learns: a prototype per identity."""

    def __init__(self, num_identities: int) -> None:
        super().__init__()
        self.net = HeadNet()
        self.prototypes = nn.Parameter(torch.randn(num_identities, IDENTITY))


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
    heads = dataclasses.replace(heads, identity=heads.identity.unique(return_inverse=True)[1])
    learner = _begun(heads, plan)
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay, betas=(0.9, 0.99), fused=True
    )
    origin = {"plan": dataclasses.asdict(plan), "data": told}
    done = _restored(state, learner, optimizer, origin)
    learner.to(memory_format=torch.channels_last).train()
    start_s = time.monotonic() - done.seconds
    with stop_requests() as stop, progress(plan.steps, "HeadNet", "step", done.step) as bar:
        while done.step < plan.steps and not stop.is_set():
            parts = _step(learner, optimizer, heads, plan, done.step)
            done.step += 1
            done.seconds = time.monotonic() - start_s
            done.losses = _averaged(done.losses, parts, plan.steps / 10)
            if done.step % _SAVE_EVERY == 0 or done.step == plan.steps or stop.is_set():
                _save(state, learner, optimizer, origin, done)
            bar.advance()
    return (learner.net.eval(), done) if done.step == plan.steps else None


def _step(learner: Learner, optimizer: torch.optim.AdamW, heads: HeadSet, plan: Plan, step: int) -> dict[str, float]:
    some = heads.rows(order(plan.seed, step, plan.batch, len(heads)))
    draws = rng.generator(plan.seed, "headnet/augment", step)
    seen = augmented(some.image.float() / 127.5 - 1, some.mask.float() / 255, draws)
    yaw_rad = torch.where(seen.is_mirrored, -some.yaw_rad, some.yaw_rad)
    net = learner.net
    numbers = (some.numbers - net.number_mean) / net.number_std
    parts = losses.terms(net(seen.image), some, yaw_rad, seen.mask, numbers, learner.prototypes)
    for group in optimizer.param_groups:
        group["lr"] = plan.learning_rate * pace(step / plan.steps)
    optimizer.zero_grad()
    losses.total(parts).backward()
    optimizer.step()
    return {name: float(part.detach()) for name, part in parts.items()}


def order(seed: int, step: int, batch: int, count: int) -> Int64[Tensor, " batch"]:
    """The rows of a step. Every epoch has all rows once, in another order; batches may reach into the next one."""
    first = step * batch
    epochs = range(first // count, (first + batch - 1) // count + 1)
    rows = [torch.randperm(count, generator=rng.generator(seed, "headnet/order", epoch)) for epoch in epochs]
    start = first - epochs[0] * count
    return torch.cat(rows)[start : start + batch]


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


def _begun(heads: HeadSet, plan: Plan) -> Learner:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.key_of(plan.seed, "headnet/weights") >> 1)
        learner = Learner(int(heads.identity.max()) + 1)
    learner.net.number_mean.copy_(heads.numbers.mean(dim=0))
    learner.net.number_std.copy_(heads.numbers.std(dim=0))
    return learner


def _save(path: Path, learner: Learner, optimizer: torch.optim.AdamW, origin: dict[str, Any], done: Progressed) -> None:
    tensors = {f"learner/{name}": tensor for name, tensor in learner.state_dict().items()}
    tensors |= {f"optimizer/{name}": tensor for name, tensor in state_tensors(optimizer, learner).items()}
    checkpoint.write(path, tensors, origin | {"done": dataclasses.asdict(done)})


def _restored(path: Path, learner: Learner, optimizer: torch.optim.AdamW, origin: dict[str, Any]) -> Progressed:
    if not path.exists():
        return Progressed()
    tensors, header = checkpoint.read(path)
    if {name: header.get(name) for name in origin} != origin:
        raise CheckpointError(f"{path}: is of another plan or other data; choose another folder, or remove the file")
    parts: dict[str, dict[str, Tensor]] = {"learner": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    checkpoint.load_weights(learner, parts["learner"], str(path))
    load_state_tensors(optimizer, learner, parts["optimizer"], str(path))
    return Progressed(**header["done"])


def _averaged(before: dict[str, float], now: dict[str, float], steps: float) -> dict[str, float]:
    """An average that forgets over about so many steps."""
    kept = 1 - 1 / max(steps, 1.0)
    return {name: kept * before.get(name, value) + (1 - kept) * value for name, value in now.items()}
