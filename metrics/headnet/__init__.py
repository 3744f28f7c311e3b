# SPDX-License-Identifier: Apache-2.0
"""HeadNet: a small network of our own that looks at heads, trained on procedural ones; its weights are shipped.

    from metrics.headnet import load_headnet

    net = load_headnet()
    net.features(images)         # [N, 376], for distances between sets of pictures
    net.identity(images)         # [N, 128] of length 1: the cosine of two says whether they show one head
    net.yaw_rad(images)          # [N], from which side
    net.mask(images)             # [N, 1, H, W], where the head is
    net.attributes(images)       # hair style, glasses, age, ...
    net.perceptual(a, b)         # [N], how unlike two pictures look; has gradients

Images are uint8, or float in [-1, 1]; square, of any size. docs/headnet.md says how well it does, and where not.
"""

from metrics.headnet.network import HeadNet
from metrics.headnet.weights import load_headnet

__all__ = ["HeadNet", "load_headnet"]
