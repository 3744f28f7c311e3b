# SPDX-License-Identifier: Apache-2.0
"""Solids for tests: random ones that use every word of the vocabulary, within half a unit of the origin."""

import math
import random

from training.data.synthetic.solid import (
    Layer,
    Operand,
    Solid,
    box,
    capsule,
    disc,
    ellipsoid,
    half_space,
    round_cone,
    sphere,
    torus_arc,
)


def random_rotation(rng: random.Random) -> list[list[float]]:
    """Out of a random unit quaternion."""
    w, x, y, z = (rng.gauss(0, 1) for _ in range(4))
    s = 2 / (w * w + x * x + y * y + z * z)
    return [
        [1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)],
        [s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x)],
        [s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y)],
    ]


def random_shape(rng: random.Random, size: float = 0.08) -> Operand:
    u = rng.uniform
    centre, other = ([u(-0.4, 0.4) for _ in range(3)] for _ in range(2))
    near = [c + u(-size, size) for c in centre]
    turned, mirrored = random_rotation(rng), rng.random() < 0.3
    return rng.choice(
        [
            lambda: ellipsoid(centre, [u(0.3, 1) * size for _ in range(3)], turned, mirrored),
            lambda: round_cone(centre, near, u(0.1, 1) * size, u(0.1, 1) * size, mirrored),
            lambda: round_cone(centre, other, 0.3 * size, 0.1 * size, mirrored),
            lambda: sphere(centre, u(0.2, 1) * size, mirrored),
            lambda: capsule(centre, near, 0.3 * size, mirrored),
            lambda: box(centre, [u(0.3, 1) * size for _ in range(3)], turned, u(0, 0.3) * size, mirrored),
            lambda: torus_arc(centre, size, 0.2 * size, u(0.2, math.pi), turned, mirrored),
            lambda: torus_arc(centre, size, 0.3 * size, rotation=turned),
            lambda: disc(centre, size, 0.3 * size, turned, u(0, 0.3) * size, mirrored),
        ]
    )()


def random_solid(seed: int, num_shapes: int = 40, num_layers: int = 5) -> Solid:
    """Layers in turn, most of them visible, with every kind of join and change."""
    rng = random.Random(seed)
    solid = Solid()
    layers: list[Layer] = []
    for i in range(num_layers):
        layer = solid.layer(f"layer {i}", visible=i == 0 or rng.random() < 0.7)
        if layers and rng.random() < 0.5:
            layer.add(rng.choice(layers).inflated(rng.uniform(-0.01, 0.03)))
        for _ in range(num_shapes // num_layers):
            blend = rng.choice([0.0, 0.01, 0.05])
            join = rng.choice([layer.add, layer.add, layer.add, layer.cut])
            join(random_shape(rng), blend)
        if rng.random() < 0.5:
            normal = [rng.gauss(0, 1) for _ in range(3)]
            layer.keep(half_space([0.1 * x for x in normal], normal), rng.choice([0.0, 0.04]))
        if rng.random() < 0.3:
            layer.keep(sphere((0, 0, 0), 0.4), 0.03)
        if rng.random() < 0.4:
            layer.shell(0.01)
        if rng.random() < 0.5:
            layer.inflate(rng.uniform(-0.004, 0.01))
        if rng.random() < 0.6:
            layer.waves(0.002, [rng.uniform(0, 120) for _ in range(3)], rotation=random_rotation(rng))
        layers.append(layer)
    return solid
