# SPDX-License-Identifier: Apache-2.0
"""One picture of a set: facts, cameras around a head, pictures with their masks, and how many views there are."""

import numpy as np
from jaxtyping import Int

from dnnlib.charts import Axis, bar_chart, heat_map
from dnnlib.drawing import ALARM, INK, MUTED, PAPER, Canvas, RGBPicture, contact_sheet, fitted_text, joined, wrapped
from training.data.making.frusta import ABOVE, LEFT, Thumbnail, at_level, at_sector, draw_cameras
from training.data.making.poses import Poses, count_poses
from training.data.making.statistics import NUM_SHOWN, THUMBNAIL, Survey, drawn, facts

_WIDTH = 1412
_MAX_FRUSTA = 160
_MAX_COMPLAINT_LINES = 14


def picture_of(found: Survey, seed: int = 0) -> RGBPicture:
    """The picture. What a set does not have is left out of it."""
    rows = [_header(found)]
    if found.poses is not None and found.poses.known.any():
        rows.append(_cameras(found, found.poses, seed))
    if any(item in found.looked for item in found.shown):
        rows.append(_sheet(found))
    charts = []
    if found.poses is not None and found.poses.known.any():
        charts.append(_pose_table(found.poses))
    charts.append(_coverage_and_distance(found))
    return joined([*rows, joined(charts)], vertical=True)


def _header(found: Survey) -> RGBPicture:
    rows = facts(found)
    told = [*found.complaints, *map(str, found.problems)]
    lines = [line for complaint in told[: 2 * _MAX_COMPLAINT_LINES] for line in wrapped(complaint, _WIDTH - 60, 13)]
    if len(lines) > _MAX_COMPLAINT_LINES:
        lines = [*lines[:_MAX_COMPLAINT_LINES], "... there is more; `dataset_tool.py check` lists everything"]
    canvas = Canvas(_WIDTH, 54 + 20 * len(rows) + (18 * len(lines) + 22 if lines else 0))
    canvas.text((16, 12), fitted_text(found.name, _WIDTH - 40, 22), 22)
    for i, (heading, fact) in enumerate(rows):
        canvas.text((16, 48 + 20 * i), heading, 13, MUTED)
        canvas.text((116, 48 + 20 * i), fitted_text(fact, _WIDTH - 140, 13), 13, INK)
    top = 62 + 20 * len(rows)
    if lines:
        canvas.line([(18, top), (18, top + 18 * len(lines))], ALARM, 3)
    for i, line in enumerate(lines):
        canvas.text((30, top + 18 * i), line, 13, ALARM)
    return canvas.picture()


def _cameras(found: Survey, poses: Poses, seed: int) -> RGBPicture:
    known = np.flatnonzero(poses.known)
    some = known[drawn(len(known), min(_MAX_FRUSTA, len(known)), seed)]
    views = poses.picked(some)
    around, beside = _thumbnails(found, poses)
    panels = [
        draw_cameras(views.T_world_cam, views.intrinsics, np.radians(views.azimuth_deg), view, pictures)
        for view, pictures in ((ABOVE, around), (LEFT, beside))
    ]
    return joined(panels)


def _thumbnails(found: Survey, poses: Poses) -> tuple[list[Thumbnail], list[Thumbnail]]:
    """The pictures around the view from above, and those beside the other view."""
    around, beside = [], []
    for sector, item in found.by_sector.items():
        if item in found.looked:
            around.append(at_sector(found.looked[item].plain, f"az {_degrees(poses.azimuth_deg[item])}", sector))
    for level, item in found.by_level.items():
        if item in found.looked:
            label = f"elev {_degrees(poses.elevation_deg[item])}"
            azimuth_rad = float(np.radians(poses.azimuth_deg[item]))
            beside.append(at_level(found.looked[item].plain, label, level, azimuth_rad))
    return around, beside


def _sheet(found: Survey) -> RGBPicture:
    shown = [item for item in found.shown if item in found.looked]
    labels = None
    if found.poses is not None:
        angles = zip(found.poses.azimuth_deg[shown], found.poses.elevation_deg[shown], strict=True)
        labels = [f"{_degrees(az)}  {_degrees(el)}" if np.isfinite(az + el) else "no camera" for az, el in angles]
    title = "Pictures from the right side of the back, over the front, to the left side of the back: azimuth, elevation"
    title = title if labels else "Pictures"
    if any(found.looked[item].coverage is not None for item in shown):
        title += ". Magenta is what the mask leaves out"
    columns = NUM_SHOWN // 3
    heading = Canvas(_WIDTH, 26)
    heading.text((16, 6), title, 14)
    sheet = contact_sheet([found.looked[i].tinted for i in shown], columns, labels, THUMBNAIL)
    margin = np.full((1, (_WIDTH - sheet.shape[1]) // 2 if len(shown) >= columns else 12, 3), PAPER, dtype=np.uint8)
    return joined([heading.picture(), joined([margin, sheet], gap=0)], vertical=True, gap=0)


def _degrees(value: float) -> str:
    return f"{round(float(value)):+d}°"


def _pose_table(poses: Poses) -> RGBPicture:
    counts, azimuth_edges, elevation_edges = count_poses(poses)
    azimuth = Axis(
        "azimuth: 0 from the front, +90 from the subject's left, 180 from behind", -180, 180, range(-180, 181, 45), "°"
    )
    low, high = float(elevation_edges[0]), float(elevation_edges[-1])
    ticks = [value for value in range(-90, 91, 20 if high - low > 60 else 10) if low <= value <= high]
    elevation = Axis("elevation", low, high, ticks, "°")
    cell_height = max(22, min(46, 250 // len(counts)))
    return heat_map(
        counts,
        azimuth_edges,
        elevation_edges,
        azimuth,
        elevation,
        title="Views: how many there are",
        width=1060,
        cell_height=cell_height,
    )


def _coverage_and_distance(found: Survey) -> RGBPicture:
    charts = []
    coverage = [look.coverage for look in found.looked.values() if look.coverage is not None]
    if coverage:
        edges = np.linspace(0, 100, 21)
        axis = Axis("share of the picture inside the mask", 0, 100, range(0, 101, 25), "%")
        charts.append(_bars(100 * np.array(coverage), edges, axis, "Mask coverage"))
    if found.poses is not None and found.poses.known.any():
        distance = found.poses.distance[found.poses.known]
        high = float(np.quantile(distance[np.isfinite(distance)], 0.99)) * 1.25
        edges = np.linspace(0, high, 27)
        step = 10 ** np.floor(np.log10(high))
        step = step / 2 if high / step < 4 else step
        axis = Axis("distance of the cameras", 0, high, np.arange(0, high, step).tolist())
        charts.append(_bars(np.minimum(distance, high), edges, axis, "Camera distance"))
    return joined(charts, vertical=True) if charts else np.zeros((0, 0, 3), dtype=np.uint8)


def _bars(values: np.ndarray, edges: np.ndarray, axis: Axis, title: str) -> RGBPicture:
    counts: Int[np.ndarray, " bins"] = np.histogram(values, edges)[0]
    return bar_chart(counts, edges, axis, title=title, width=340, height=190)
