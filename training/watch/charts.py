# SPDX-License-Identifier: Apache-2.0
"""Which curves of a run are shown together, and under which words."""

import html
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dnnlib.svg_charts import CurvePoint, line_chart, short
from training.watch.alarms import ALARMS
from training.watch.history import Curve, History


class Chart(NamedTuple):
    """A title, and the curves by what they are called below it."""

    title: str
    curves: Mapping[str, str]
    may_be_log: bool = False


_CHARTS = (
    Chart("Scores", {"real": "scores/real", "generated": "scores/fake"}),
    Chart("Signs of scores", {"real": "signs/real", "generated": "signs/fake"}),
    Chart("Losses", {"generator": "G/adversarial", "critic, generated": "D/fake", "critic, real": "D/real"}, True),
    Chart("R1: squared slopes", {"image": "D/r1_image", "raw": "D/r1_image_raw", "mask": "D/r1_image_mask"}, True),
    Chart("Gradient norms", {"generator": "G/gradient_norm", "critic": "D/gradient_norm"}, True),
    Chart(
        "Gradients that were not finite (share)",
        {"generator": "G/nonfinite_gradients", "critic": "D/nonfinite_gradients"},
    ),
    Chart("Squared camera shift", {"": "G/shift"}, True),
    Chart("Density terms", {"smoothness": "G/smoothness", "monotonicity": "G/monotonicity"}, True),
    Chart("Augmentation probability", {"": "augment_p"}),
    Chart("Contrast", {"": "health/contrast"}),
    Chart("Diversity over latents", {"": "health/diversity"}),
    Chart("Relief (depth, in picture widths)", {"": "health/relief"}),
    Chart("Opacity", {"": "health/opacity"}),
    Chart("Likeness of the back to the mirrored front", {"": "health/mirrored_face"}),
    Chart("Images per second", {"": "images_per_s"}),
    Chart("Waiting for data (share of the time)", {"": "data_wait"}),
    Chart("Memory (GiB)", {"": "memory_gib"}),
)


def figures(history: History) -> Iterator[str]:
    """HTML of every chart that has something to show, metrics first."""
    metrics = [name for name in history.curves if name.startswith("metrics/")]
    charts = [Chart(name.removeprefix("metrics/"), {"": name}) for name in metrics]
    for chart in [*charts, *_CHARTS]:
        known = {label: history.curves[name] for label, name in chart.curves.items() if name in history.curves}
        if known and not (_is_dull(chart) and all(_is_zero(curve) for curve in known.values())):
            yield _figure(chart, known)


def _figure(chart: Chart, curves: Mapping[str, Curve]) -> str:
    points = [[CurvePoint(p.nimg, p.mean, p.low, p.high) for p in curve.points] for curve in curves.values()]
    limits = [
        limit
        for alarm in ALARMS
        for limit in (alarm.below, alarm.above)
        if limit is not None and alarm.value in chart.curves.values()
    ]
    legend = "".join(
        f'<span class="key key-{i}">{html.escape(label)} <b>{short(curve.last)}</b></span>'
        for i, (label, curve) in enumerate(curves.items())
    )
    svg = line_chart(points, name=chart.title, limits=limits, may_be_log=chart.may_be_log)
    return f"<figure><figcaption>{html.escape(chart.title)}{legend}</figcaption>{svg}</figure>"


def _is_dull(chart: Chart) -> bool:
    """Whether zeros are no news."""
    return "not finite" in chart.title


def _is_zero(curve: Curve) -> bool:
    return all(point.high == point.low == 0 for point in curve.points)
