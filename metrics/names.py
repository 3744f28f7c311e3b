# SPDX-License-Identifier: Apache-2.0
"""The names of metrics: KIND COUNT[k] [_full] [_DETECTOR], as in `fid50k_full`, `fd2k_headnet`, `id`.

COUNT is how many pictures, or heads, are generated; `_full` compares them with all images of the set instead of at most
as many; DETECTOR is what looks at them. A distance of features is called FID or KID only where Inception's are meant.
"""

import dataclasses
import re
from typing import Literal, NamedTuple, final

from dnnlib.text import nearest

MAX_COUNT = 10_000_000

Needs = Literal["features", "embedding", "mask", "nothing"]

BUILT_IN = ("thumbs", "headnet", "headnetyaw", "headnethair")  # Detectors that need no file.
STAND_INS = {"face": "headnet", "segmentation": "headnet"}  # Who looks where no file is named.


class Kind(NamedTuple):
    """A sort of metric: what it is, in words, and what its name may leave out."""

    says: str
    needs: Needs
    lower_is_better: bool | None  # None: neither is.
    count: int | None = None  # What is generated where the name has no count; None: the name must have one.
    detector: str | None = None  # What looks where the name says nothing; None: the name must say.
    compares: bool = False  # With real images.
    least: int = 2  # Pictures on each side without which there is no number.
    built_in: tuple[str, ...] = BUILT_IN  # Detectors without a file that can tell it.
    takes_files: bool = True


KINDS = {
    "fid": Kind("Fréchet distance of Inception features", "features", True, None, "inception", compares=True),
    "kid": Kind("kernel distance of Inception features", "features", True, None, "inception", compares=True, least=4),
    "fd": Kind("Fréchet distance of a detector's features", "features", True, compares=True),
    "kd": Kind("kernel distance of a detector's features", "features", True, compares=True, least=4),
    "fidbins": Kind("FID in each of 8 ranges of yaw", "features", True, None, "inception", compares=True, least=4),
    "kidbins": Kind("KID in each of 8 ranges of yaw", "features", True, None, "inception", compares=True, least=4),
    "fdbins": Kind("Fréchet distance in each of 8 ranges of yaw", "features", True, compares=True, least=4),
    "kdbins": Kind("kernel distance in each of 8 ranges of yaw", "features", True, compares=True, least=4),
    "pr": Kind("precision and recall by nearest neighbours", "features", False, None, "vgg16", compares=True, least=4),
    "is": Kind("Inception score", "features", False, None, "classes", least=10, built_in=("headnethair",)),
    "ppl2_wend": Kind(
        "path length in W, at the ends", "features", True, 50_000, "lpips", least=3, built_in=("thumbs", "headnet")
    ),
    "id": Kind("likeness of two views of a face", "embedding", False, 500, "face", built_in=("headnet",)),
    "maskmse": Kind(
        "error of the mask against a segmentation", "mask", True, 64, "segmentation", built_in=("headnet",)
    ),
    "yaw": Kind(
        "error of the yaw that HeadNet tells, in degrees",
        "features",
        True,
        500,
        "headnetyaw",
        compares=True,
        built_in=("headnetyaw",),
        takes_files=False,
    ),
    "depth": Kind("share of a turn's difference that depth does not explain", "nothing", True, 64),
    "raw": Kind("error of the raw picture against the final one", "nothing", True, 64),
    "mirror": Kind("likeness of the back to the mirrored front", "nothing", True, 64),
    "shift": Kind("size of the learned shift of cameras", "nothing", None, 1_000),
}

# What Inception's name in a distance stands for: only its features make a distance that others may compare with.
OF_INCEPTION = {"fid": "fd", "kid": "kd", "fidbins": "fdbins", "kidbins": "kdbins"}
NEVER = ("eqt50k_int", "eqt50k_frac", "eqr50k")  # Of StyleGAN3's architecture, which no generator here has.

_NAME = re.compile(
    r"(?P<kind>ppl2_wend|[a-z]+)"
    r"(?:(?P<count>\d+)(?:(?P<thousand>k)(?P<nearest>3)?)?)?(?P<full>_full)?(?:_(?P<detector>[a-z][a-z0-9]*))?"
)


@final
@dataclasses.dataclass(frozen=True)
class Wanted:
    """A metric that somebody asked for."""

    name: str
    kind: str
    count: int
    is_full: bool
    detector: str | None  # None where the kind needs none.

    @property
    def measure(self) -> str:
        """The kind that computes it."""
        return OF_INCEPTION.get(self.kind, self.kind)


def parse(name: str) -> Wanted:
    """What a name means; a ValueError says what there is."""
    if name in NEVER:
        raise ValueError(
            f"{name} measures how StyleGAN3 moves textures; no generator here is of that kind. Leave it out."
        )
    match = _NAME.fullmatch(name)
    kind = KINDS.get(match["kind"]) if match else None
    if kind is None:
        word = re.match(r"[a-z]*", name)[0]
        close = nearest(word, KINDS)
        meant = f" Did you mean {close}?" if close else ""
        raise ValueError(f"there is no metric {name!r}.{meant} {_what_there_is()}")
    if match["nearest"] and match["kind"] != "pr":
        raise ValueError(f"{name!r}: the 3 behind k is the number of neighbours, which only pr has. Leave it out.")
    count = kind.count if match["count"] is None else int(match["count"]) * (1000 if match["thousand"] else 1)
    if count is None:
        raise ValueError(
            f"{name!r}: say how many pictures are generated, as in {match['kind']}500{name[len(match['kind']) :]}"
        )
    if not kind.least <= count <= MAX_COUNT:
        raise ValueError(f"{name!r}: {count} pictures say nothing; take {kind.least} to {MAX_COUNT}")
    if match["full"] and not kind.compares:
        raise ValueError(f"{name!r}: compares nothing with real images, so there is no _full of it. Leave it out.")
    detector = match["detector"] or kind.detector
    if kind.needs == "nothing":
        if match["detector"]:
            raise ValueError(f"{name!r}: no detector takes part in it; leave _{match['detector']} out")
        detector = None
    elif detector is None:
        raise ValueError(f"{name!r}: say whose features are compared, as in {name}_headnet or {name}_thumbs")
    if match["kind"] in OF_INCEPTION and detector != "inception":
        better = name.replace(match["kind"], OF_INCEPTION[match["kind"]], 1)
        raise ValueError(f"{name!r}: only Inception's features make a {match['kind']}; write {better}")
    if detector in BUILT_IN and detector not in kind.built_in:
        instead = " or ".join(kind.built_in) or "a network in a file"
        raise ValueError(f"{name!r}: {detector} does not tell that; {instead} does")
    if detector not in BUILT_IN and not kind.takes_files:
        raise ValueError(f"{name!r}: only {kind.built_in[0]} tells it; leave _{detector} out")
    return Wanted(name, match["kind"], count, bool(match["full"]), detector)


def parse_list(text: str) -> list[Wanted]:
    """Names with commas between them."""
    wanted = [parse(name.strip()) for name in text.split(",") if name.strip()]
    if not wanted:
        raise ValueError(f"no metric is named. {_what_there_is()}")
    return list({each.name: each for each in wanted}.values())


def needs_file(wanted: Wanted) -> bool:
    """Whether it can only be measured with a network that the user has in a file."""
    return wanted.detector is not None and STAND_INS.get(wanted.detector, wanted.detector) not in BUILT_IN


def _what_there_is() -> str:
    return (
        "There are fdN_DETECTOR and kdN_DETECTOR, as in fd1k_thumbs, the distances of the features of N (thousand) "
        "pictures to those of the data set; fidN, kidN, prN, each also with _full; isN; "
        f"{', '.join(name for name, kind in KINDS.items() if kind.count is not None)}. docs/metrics.md explains them"
    )
