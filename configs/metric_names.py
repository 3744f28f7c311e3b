# SPDX-License-Identifier: Apache-2.0
"""Names of metrics on a command line: those there are, and published ones that are still to come."""

from dnnlib.console import get_logger

log = get_logger(__name__)

# Pasted commands name these. They need networks that judge pictures.
PUBLISHED = (
    *("fid50k_full", "kid50k_full", "pr50k3_full", "is50k", "fid50k", "kid50k", "pr50k3", "ppl2_wend"),
    *("eqt50k_int", "eqt50k_frac", "eqr50k"),
)


def metric_names(text: str) -> list[str]:
    """A list with commas; `none` is the empty one. What is published and not here is left out with a warning."""
    from metrics.registry import find  # noqa: PLC0415 - needs torch, which other flags do not

    names = [] if text.lower() == "none" else [name.strip() for name in text.split(",") if name.strip()]
    available = [name for name in names if name not in PUBLISHED]
    for name in available:
        find(name)
    missing = [name for name in names if name in PUBLISHED]
    if missing:
        log.warning(f"{', '.join(missing)}: not in this version, so the run does not measure it.")
    return available
