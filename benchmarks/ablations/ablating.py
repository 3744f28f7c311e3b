# SPDX-License-Identifier: Apache-2.0
"""An ablation as a list of parts, each done once: data, then every seed's variants trained and measured, then speed."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks.ablations import runs, sheet
from benchmarks.ablations.budgets import Budget
from benchmarks.ablations.folder import AblationFolder, Part, read_values, write_values
from benchmarks.ablations.measures import Network, parts
from benchmarks.ablations.speed import milliseconds
from benchmarks.ablations.table import Record
from benchmarks.ablations.variants import VARIANTS, shared, variant
from configs import resolve
from dnnlib.console import get_logger
from dnnlib.drawing import RGBPicture
from dnnlib.text import format_duration
from torch_utils import checkpoint
from training.pretrained import load_generator
from training.run_config import RunConfig

log = get_logger(__name__)


class Ablation:
    """One budget and some seeds, in one folder."""

    def __init__(self, folder: AblationFolder, budget: Budget, seeds: int, device: torch.device, gpus: int) -> None:
        self.folder, self.budget, self.seeds, self.device, self.gpus = folder, budget, range(seeds), device, gpus
        images, masks = map(str, folder.data(runs.TRAINED))
        preset = resolve(budget.cfg)
        self.base = shared(
            preset,
            img_data=images,
            seg_data=masks,
            nimg=budget.nimg,
            device=device.type,
            metric=budget.curve_metric,
        )

    def config(self, key: str, seed: int) -> RunConfig:
        return variant(self.base, key, seed)

    def parts(self) -> Iterator[Part]:
        """In order. A seed is finished before the next begins, so that what is there can be compared at any time."""
        folder, budget = self.folder, self.budget
        for name in (runs.TRAINED, runs.TRUE):
            yield Part(
                "data",
                f"heads, {name} cameras",
                partial(runs.has_data, folder, name),
                partial(runs.make_data, folder, budget, name, self.base.generator.resolution),
            )
        for seed in self.seeds:
            for key in VARIANTS:
                run, config = folder.run(key, seed), self.config(key, seed)
                yield Part(
                    "training",
                    f"{key}, seed {seed}: training",
                    partial(runs.is_trained, run, config),
                    partial(runs.train, run, config, self.gpus),
                )
                for name, measure in parts(budget, VARIANTS[key], self.device).items():
                    path = folder.measured(key, seed, name)
                    yield Part(
                        name,
                        f"{key}, seed {seed}: {name}",
                        path.exists,
                        lambda path=path, measure=measure, key=key, seed=seed: write_values(
                            path, measure(self.network(key, seed))
                        ),
                    )
        yield Part("speed", "time of a picture", folder.speed.exists, self._time)

    def network(self, key: str, seed: int) -> Network:
        """A trained one. Its data is that of all, masks or not."""
        run = self.folder.run(key, seed)
        file = run.networks(run.saves()[0])
        return Network(
            file,
            run.path.parent / "measures",
            trained=self.folder.data(runs.TRAINED)[0],
            true=self.folder.data(runs.TRUE)[0],
            mirror=self.base.data.mirror,
            load=lambda: load_generator(file, self.device),
        )

    def record(self) -> Record:
        """What is there."""
        networks = {
            key: {
                str(seed): {
                    name: read_values(path)
                    for name in parts(self.budget, VARIANTS[key], self.device)
                    if (path := self.folder.measured(key, seed, name)).exists()
                }
                for seed in self.seeds
            }
            for key in VARIANTS
        }
        speed = read_values(self.folder.speed) if self.folder.speed.exists() else {}
        curves = {
            key: {
                str(seed): points
                for seed in self.seeds
                if (points := runs.curve(self.folder.run(key, seed), self.budget.curve_metric))
            }
            for key in VARIANTS
        }
        return {
            "budget": self.budget.facts(),
            "commits": sorted({self._commit(key, seed) for key in VARIANTS for seed in self.seeds} - {None}),
            "milliseconds": speed,
            "networks": networks,
            "curves": curves,
        }

    def sheet(self) -> RGBPicture:
        """Of the first seed."""
        shown = {"heads of the data, not seen in training": sheet.real(self.base.generator.resolution)}
        shown |= {VARIANTS[key].title: sheet.generated(self.network(key, 0).load()) for key in VARIANTS}
        return sheet.sheet(shown)

    def _commit(self, key: str, seed: int) -> str | None:
        """Of the code that trained it. The one that writes the page may be a later one."""
        run = self.folder.run(key, seed)
        if not run.saves():
            return None
        commit = checkpoint.read_header(run.networks(run.saves()[0]))["provenance"]["code"]["commit"] or "unknown"
        return commit[:7] + ("+changes" if commit.endswith("-dirty") else "")

    def _time(self) -> None:
        configs = {key: self.config(key, 0) for key in VARIANTS}
        write_values(self.folder.speed, milliseconds(configs, self.device.type, self.budget.timing_rounds))


def do(parts: list[Part], clock: Callable[[], float] = time.monotonic) -> None:
    """Those that are not done yet, and tells how far it is. What a kind takes is known once one of it is done."""
    left = [part for part in parts if not part.is_done()]
    if len(left) < len(parts):
        log.info(f"{len(parts) - len(left)} of {len(parts)} parts were done before")
    taken_s: dict[str, list[float]] = {}
    for number, part in enumerate(left):
        rest = left[number:]
        known_s = [sum(taken_s[each.kind]) / len(taken_s[each.kind]) for each in rest if each.kind in taken_s]
        about = f", {'' if len(known_s) == len(rest) else 'more than '}{format_duration(sum(known_s))} left"
        log.info(f"Part {len(parts) - len(rest) + 1} of {len(parts)}: {part.name}{about if known_s else ''}")
        start_s = clock()
        part.work()
        taken_s.setdefault(part.kind, []).append(clock() - start_s)
