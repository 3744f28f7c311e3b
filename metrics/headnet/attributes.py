# SPDX-License-Identifier: Apache-2.0
"""What HeadNet tells of a head besides its side and identity: choices among named kinds, and numbers.

Both are parameters of procedural heads. From behind some cannot be seen, and then the answer is what is usual.
"""

from training.data.synthetic.identity import BEARDS, CLOTHES, EARRINGS, GLASSES, HAIR_STYLES

KINDS: dict[str, tuple[str, ...]] = {
    "hair_style": HAIR_STYLES,
    "beard": BEARDS,
    "glasses": GLASSES,
    "earring": EARRINGS,
    "clothes": CLOTHES,
}
NUMBERS = ("age_years", "build", "skin_depth", "hair_length", "hair_volume", "smile", "elevation_rad")
