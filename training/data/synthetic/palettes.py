# SPDX-License-Identifier: Apache-2.0
"""Colours that go together, chosen by eye: skin, hair, irises, clothes, backdrops.

They are written as designers do, in sRGB hexadecimal, and used as light adds up, in linear RGB of [0, 1].
"""

RGB = tuple[float, float, float]


def linear(code: str) -> RGB:
    """Linear RGB of "rrggbb"."""
    red, green, blue = (int(code[start : start + 2], 16) / 255 for start in (0, 2, 4))
    return _linear_channel(red), _linear_channel(green), _linear_channel(blue)


def _linear_channel(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def mixed(first: RGB, second: RGB, share: float) -> RGB:
    """`share` of the second colour in the first."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


# From light to dark; neighbours are about equally far apart to the eye.
SKIN = ("f4cdb4", "efbf9f", "e7b08b", "dc9d72", "cc8a60", "b9754c", "a0613b", "84502f", "6b3e27", "553222")

# (name, colour, weight on light skin, weight on dark skin).
HAIR = (
    ("black", "1d191c", 1.2, 5.0),
    ("espresso", "33231b", 2.0, 3.0),
    ("brown", "54341f", 2.4, 1.4),
    ("chestnut", "7a4526", 1.8, 0.5),
    ("auburn", "8f3f20", 1.0, 0.3),
    ("copper", "c4632b", 1.3, 0.15),
    ("honey", "b98444", 1.5, 0.3),
    ("blond", "dcb56c", 1.6, 0.2),
    ("platinum", "eadbb8", 0.6, 0.2),
)
DYES = ("d9748d", "2f8088", "6d4a8c", "b5323c", "3c5fa8")
GREY_HAIR = ("8b8888", "b9b6b4", "dedbd6")

# (name, colour, weight on light skin, weight on dark skin).
IRIS = (
    ("brown", "6b3f1f", 2.0, 5.0),
    ("hazel", "8a6a2c", 1.4, 1.0),
    ("green", "4f8a55", 1.2, 0.5),
    ("blue", "3f82b8", 1.6, 0.3),
    ("grey", "6d8796", 0.9, 0.3),
    ("amber", "a8651c", 0.7, 0.7),
)

# (fabric, second fabric): the second one makes collar, stripes, scarf or cords.
CLOTHES = (
    ("e0a32e", "f6ead0"),
    ("1f7a7a", "f0876a"),
    ("2b3f6b", "f2efe6"),
    ("bf5a3c", "f0d9b8"),
    ("7f9b78", "f5ecd7"),
    ("8d78b8", "f3d9e6"),
    ("b5433a", "2f6f73"),
    ("2f5fb3", "f4c542"),
    ("f1e7d6", "c8452f"),
    ("3a3f4a", "8fd0b4"),
    ("e58a84", "35506e"),
    ("4f7d5a", "efb73e"),
)

# Metals and plastics of earrings, clips and frames.
TRINKETS = ("e3b34c", "d9dce0", "d8574a", "3aa39a", "f3ede2", "6f5bb5")
FRAMES = ("2a2422", "7a3e22", "b08a3c", "23405f", "8c2f39", "c9ccd1")

# (upper, lower): studio paper, light and dark.
BACKDROPS = (
    ("f4d8c3", "e9b99b"),
    ("d3e6e1", "9fc6bd"),
    ("dcd5ee", "b5a8d6"),
    ("f7e6b9", "eac878"),
    ("c6dcf0", "8fb5d9"),
    ("f0cdd0", "dd9fa6"),
    ("c2d2bd", "93ad90"),
    ("e7e3dc", "c3bcb0"),
    ("5d7186", "384a5f"),
    ("6f8f8a", "3f615f"),
    ("7d6b8c", "4f4061"),
    ("a86f5c", "6f4438"),
)
