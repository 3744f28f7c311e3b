# SPDX-License-Identifier: Apache-2.0
"""What HeadNet tells of a head besides its side and identity: choices among named kinds, and numbers.

All are parameters of procedural heads, and all are trained. Told are only those that it has learned to see: what is
hardly seen at 64 x 64 pixels, such as glasses and earrings, only helps to train. From behind some cannot be seen, and
then the answer is what is usual.
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
TOLD = ("hair_style", "beard", "age_years", "skin_depth", "elevation_rad")
