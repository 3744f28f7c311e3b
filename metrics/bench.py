# SPDX-License-Identifier: Apache-2.0
"""Everything about one generator and one data set that metrics may ask for, each computed once.

All features that a set of metrics wants of generated pictures come from one pass over these.
"""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from dnnlib.console import get_logger
from metrics.collect import collect
from metrics.detectors.base import Detector
from metrics.detectors.shop import DetectorShop
from metrics.geometry.heads import Heads
from metrics.names import KINDS, Wanted
from metrics.pictures import GeneratedPictures, Mode, RealPictures
from metrics.store import Store, key_of, store_of
from torch_utils import distributed
from training.data.dataset import ImageDataset
from training.generator import Generator

log = get_logger(__name__)

MIN_REALS = 10_000  # So many are compared with, where there are as many, however few pictures are generated.
MAX_REALS = {"kd": 1_000_000, "kdbins": 1_000_000, "pr": 200_000}
BATCH = 16
_VERSION = 1  # Goes up with every change that changes features or rows.


@dataclasses.dataclass(frozen=True)
class Keep:
    """Where rows are kept, and by what they are known: contents, never paths."""

    root: Path
    network_digest: str
    data_digest: str


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of pictures, how often each counts, and from where they are seen."""

    features: Float32[Tensor, "n features"]
    weights: Float64[Tensor, " n"]
    azimuth_deg: Float32[Tensor, " n"] | None


@final
class Reals:
    """Features of a data set, remembered by detector."""

    def __init__(self, dataset: ImageDataset, keep: Keep | None = None) -> None:
        self.dataset = dataset
        self._keep = keep
        self._known: dict[tuple[str, int | None], FeatureSet] = {}

    def features(self, detector: Detector, limit: int | None, batch: int, device: torch.device) -> FeatureSet:
        """Of all images, or of so many."""
        key = (key_of(detector.facts), limit)
        if key not in self._known:
            real = RealPictures(self.dataset, limit)
            facts = {} if self._keep is None else {"real": self._keep.data_digest, "limit": limit, "version": _VERSION}
            store = store_of(None if self._keep is None else self._keep.root / "reals", facts)

            def look(indices: Tensor, _: Sequence[str]) -> dict[str, Tensor]:
                pictures, is_whole = real.pictures(indices)
                features = detector.features(pictures.to(device))
                return {key[0]: torch.where(is_whole[:, None].to(features.device), features, torch.nan)}

            description = f"{detector.name} of real images"
            rows = collect({key[0]: len(real)}, look, store, batch=batch, description=description)[key[0]]
            self._known[key] = self._whole(FeatureSet(rows, real.weights, real.azimuth_deg), store)
        return self._known[key]

    def _whole(self, found: FeatureSet, store: Store) -> FeatureSet:
        """Without what the set says to skip."""
        is_whole = found.features.isfinite().all(dim=1)
        if not self.dataset.skips_damaged or is_whole.all():
            return found
        log.warning(f"{self.dataset.index.img_data}: {int((~is_whole).sum())} damaged images are left out")
        if distributed.is_main():
            store.drop()  # They may be mended, and archives have the same checksums then.
        azimuth_deg = None if found.azimuth_deg is None else found.azimuth_deg[is_whole]
        return FeatureSet(found.features[is_whole], found.weights[is_whole], azimuth_deg)


@final
class Bench:
    """One generator against one data set, in one mode."""

    def __init__(
        self,
        generator: Generator,
        reals: Reals,
        shop: DetectorShop,
        wanted: Sequence[Wanted],
        *,
        mode: Mode,
        seed: int,
        device: torch.device,
        batch: int = BATCH,
        keep: Keep | None = None,
    ) -> None:
        self.generator = generator
        self.reals = reals
        self.shop = shop
        self.seed = seed
        self.device = device
        self.batch = batch
        self.pictures = GeneratedPictures(generator, reals.dataset, mode, seed, device)
        self._stored: Store = store_of(None if keep is None else keep.root / "generated", self._facts(keep))
        self._counts: dict[str, int] = {}
        self._features: dict[str, Tensor] | None = None
        shop.prepare(wanted)
        for each in wanted:
            if KINDS[each.kind].compares or each.kind == "is":
                detector = shop.features(each.detector)
                self._counts[detector.name] = max(self._counts.get(detector.name, 0), each.count)

    @cached_property
    def heads(self) -> Heads:
        """Heads from several sides."""
        pictures = self.pictures
        return Heads(self.generator, self.reals.dataset.labels, pictures.mode, self.seed, self.device)

    def generated(self, detector: Detector, count: int) -> Float32[Tensor, "count features"]:
        """Features of generated pictures."""
        if self._features is None:
            detectors = {name: self.shop.features(name) for name in self._counts}
            keys = {name: key_of(each.facts) for name, each in detectors.items()}

            def look(indices: Tensor, asked: Sequence[str]) -> dict[str, Tensor]:
                pictures = self.pictures.pictures(indices)
                return {keys[name]: each.features(pictures) for name, each in detectors.items() if keys[name] in asked}

            counts = {keys[name]: number for name, number in self._counts.items()}
            rows = collect(counts, look, self._stored, batch=self.batch, description="generated pictures")
            self._features = {name: rows[key] for name, key in keys.items()}
        return self._features[detector.name][:count]

    def real(self, detector: Detector, wanted: Wanted) -> FeatureSet:
        """Features to compare with."""
        limit = None if wanted.is_full else max(wanted.count, MIN_REALS)
        most = MAX_REALS.get(wanted.measure)
        limit = most if limit is None else min(limit, most or limit)
        if limit is not None and limit >= int((self.reals.dataset.weights > 0).sum()):
            limit = None
        return self.reals.features(detector, limit, self.batch, self.device)

    def rows(self, wanted: Wanted, work: Any, detector_facts: dict[str, Any] | None = None) -> Float32[Tensor, "n ..."]:
        """One row for each head; `work` takes numbers of heads."""
        name = f"{wanted.measure}-{key_of(detector_facts or {})}"
        return collect(
            {name: wanted.count},
            lambda indices, _: {name: work(indices)},
            self._stored,
            batch=self.batch,
            description=wanted.name,
            unit="head",
        )[name]

    def forget(self) -> None:
        """Lets go of what was kept of generated pictures; that of real images stays."""
        self._stored.drop()

    def _facts(self, keep: Keep | None) -> dict[str, Any]:
        if keep is None:
            return {}
        generator = {"network": keep.network_digest, "data": keep.data_digest, "device": self.device.type}
        return generator | self.pictures.facts | {"seed": self.seed, "batch": self.batch, "version": _VERSION}
