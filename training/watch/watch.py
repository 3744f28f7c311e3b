# SPDX-License-Identifier: Apache-2.0
"""All that makes a run one that can be watched, as three calls: a row at every tick, a look at every snapshot, an end.

Rendering and metrics are done where the training is, between two steps; encoding and writing in the background. The
run's results are the same bit by bit without any of it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import final

from dnnlib.atomic import atomic_write_text
from dnnlib.config import to_json
from dnnlib.console import get_logger
from dnnlib.drawing import RGBPicture
from torch_utils import distributed
from training.data.dataset import ImageDataset
from training.generator import Generator
from training.run_config import RunConfig
from training.run_folder import RunFolder
from training.schedules import step_values
from training.watch import album, rows
from training.watch.background import Background
from training.watch.divergence import DivergedError
from training.watch.environment import environment
from training.watch.health import Health
from training.watch.history import History
from training.watch.measures import measure
from training.watch.page import Facts, page
from training.watch.pictures import real_sheets, sheets
from training.watch.rows import Row
from training.watch.tensorboard import TensorBoard
from training.watch.views import Views, render_views, rig_of

log = get_logger(__name__)

_REMEMBERED_NIMG = 500_000  # Several times what the longest mean of an alarm is taken over.

# By name: a number for the averaged generator after so many images. Every rank calls them, in the same order.
Metrics = Mapping[str, Callable[[Generator, int], float]]


@final
class Watch:
    """One run, watched. Every rank has one and calls it alike; the main one renders and writes.

    with Watch(...) as watch:     what the snapshot lacks from which the run goes on
        watch.tick(row)
        watch.snapshot(nimg)
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        dataset: ImageDataset,
        average: Generator,
        *,
        start_nimg: int,
        metrics: Metrics,
        preset: RunConfig | None,
        due: Sequence[str] | None = (),  # Metrics of the snapshot `start_nimg`; None where that is none.
    ) -> None:
        self.average = average
        self.metrics = metrics
        self.nimg = start_nimg
        self._main: _Main | None = None
        if distributed.is_main():
            self._main = _Main(folder, config, dataset, average, start_nimg, preset, due)
        self._due = due

    def tick(self, row: Row) -> None:
        """A row of stats.jsonl that was written."""
        if self._main is not None:
            self._main.tell(row)

    def snapshot(self, nimg: int) -> None:
        """Pictures, what they say, and metrics."""
        self._look(nimg, list(self.metrics))

    def _look(self, nimg: int, metrics: Sequence[str]) -> None:
        if self._main is not None:
            self._main.look(nimg)
        for name in metrics:
            value = self.metrics[name](self.average, nimg)
            if self._main is not None:
                self._main.measured(nimg, name, value)
        if self._main is not None:
            self._main.refresh()

    def __enter__(self) -> "Watch":
        # A run may be killed after it was saved and before all of the snapshot was written.
        if distributed.gather_json(self._main is not None and self._main.lacks_look)[0]:
            self._look(self.nimg, self._due)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._main is not None:
            self._main.close(str(error) if isinstance(error, DivergedError) else None)


@final
class _Main:
    """What the main rank does. Everything but the rendering happens in the background, in the order of the calls."""

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        dataset: ImageDataset,
        average: Generator,
        start_nimg: int,
        preset: RunConfig | None,
        due: Sequence[str] | None,
    ) -> None:
        self.folder = folder
        self.config = config
        self.preset = preset
        self.average = average
        self.rig = rig_of(average, dataset.labels)
        self.environment = environment(next(average.parameters()).device)
        self.history = History()
        self.health = Health(has_background=config.generator.background)
        self.lacks_look = due is not None and not _has_looked(folder, start_nimg, due)
        rows.cut(folder.stats, start_nimg, keep=lambda row: not (self.lacks_look and _is_look(row, start_nimg)))
        for path in folder.path.glob("metric-*.jsonl"):
            rows.cut(path, start_nimg - 1 if self.lacks_look else start_nimg)
        for row in rows.read(folder.stats):
            self.history.add(row)
            if row["nimg"] > start_nimg - _REMEMBERED_NIMG:
                self.health.take(row)
        self.background = Background()
        self.tensorboard = TensorBoard(folder.path, to_json(config), start_nimg=start_nimg)
        if not (folder.path / "reals.png").exists():
            reals = real_sheets(dataset, seed=config.seed)
            self.background.do("write pictures of the data set", partial(self._write_reals, reals))

    def tell(self, row: Row) -> None:
        self.background.do("follow the statistics", partial(self._follow, row))

    def look(self, nimg: int) -> None:
        # As large as the training renders at this time.
        values = step_values(self.config.schedule, self.config.generator.renderer.resolution, nimg)
        views = render_views(self.average, self.rig, seed=self.config.seed, raw_resolution=values.raw_resolution)
        self.background.do("write pictures", partial(self._write_views, nimg, views))
        self._add({"nimg": nimg, "health": measure(views)})

    def measured(self, nimg: int, name: str, value: float) -> None:
        log.info(f"{nimg / 1000:.1f} kimg: {name} {value:.4g}")
        known = value if math.isfinite(value) else None
        rows.append(self.folder.path / f"metric-{name}.jsonl", {"nimg": nimg, "metric": name, "value": known})
        self._add({"nimg": nimg, "metrics": {name: known}})

    def refresh(self, ended: str | None = None) -> None:
        self.background.do("write report.html", partial(self._write_page, ended))

    def close(self, ended: str | None) -> None:
        self.refresh(ended)
        self.background.do("end TensorBoard", self.tensorboard.close)
        self.background.close()

    def _add(self, row: Row) -> None:
        rows.append(self.folder.stats, row)
        self.tell(row)

    # ------------------------------------------------------------------------------------------------------------------
    # In the background.

    def _follow(self, row: Row) -> None:
        self.history.add(row)
        for alarm in self.health.take(row):
            value = next(judged.value for judged in self.health.judged() if judged.alarm is alarm)
            log.warning(alarm.in_words(value))
        self.tensorboard.row(row)

    def _write_views(self, nimg: int, views: Views) -> None:
        for kind, sheet in sheets(views).items():
            self._write(album.fakes_name(nimg, kind), sheet)
            self.tensorboard.picture(f"fakes/{kind}", sheet, nimg)

    def _write_reals(self, reals: Mapping[str, RGBPicture]) -> None:
        for name, sheet in reals.items():
            self._write(f"{name}.png", sheet)
            self.tensorboard.picture(f"reals/{name}", sheet, 0)

    def _write(self, name: str, sheet: RGBPicture) -> None:
        album.write_picture(self.folder.path / name, sheet)

    def _write_page(self, ended: str | None) -> None:
        facts = Facts(self.config, self.preset, self.environment, self.history, self.health.judged(), ended)
        atomic_write_text(self.folder.path / "report.html", page(self.folder.path, facts))


def _has_looked(folder: RunFolder, nimg: int, metrics: Sequence[str]) -> bool:
    """Whether pictures, what they say, and metrics were all written."""
    looks = [row for row in rows.read(folder.stats) if _is_look(row, nimg)]
    measured = {name for row in looks for name in row.get("metrics", {})}
    has_views = any("health" in row for row in looks) and nimg in album.snapshots(folder.path, nimg)
    return has_views and measured.issuperset(metrics)


def _is_look(row: Row, nimg: int) -> bool:
    """Whether it comes of a snapshot, not of a tick."""
    return row["nimg"] == nimg and "stats" not in row
