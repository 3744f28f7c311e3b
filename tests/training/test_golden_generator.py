# SPDX-License-Identifier: Apache-2.0
"""Whole generators against pictures of the published implementations, by the operators that FULLHEAD_OPS chooses."""

import functools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tests.marks import slow_but
from tests.training.golden import C0, C1, INIT, RENDERING, normals, numbers, uniforms, with_golden_weights
from torch_utils.ops import forced
from training.builder import build_generator
from training.generator import Generator
from training.pretrained.official_config import EG3D, PANOHEAD, generator_config

Golden = dict[str, list[float]]
SETTINGS = {
    "A": ({}, PANOHEAD),
    "B": ({"decoder_activation": "lrelu"}, PANOHEAD),
    "C": ({"decoder_activation": "sigmoid", "triplane_depth": 1, "use_torgb_raw": False}, PANOHEAD),
    "E": ({}, EG3D),
}
PICTURES: dict[str, Golden] = {
    "A": {
        "image": [1.110547, 2.777523, 2.38576, -1.87104, 4.38635],
        "image_raw": [-0.379609, 1.343162, -1.48392, -1.16132, 1.13319],
        "image_depth": [2.709131, 0.048779, 2.74293],
        "image_mask": [0.243059, 0.071056, 0.38891],
    },
    "B": {
        "image": [0.944320, 2.824726, 1.79813, -2.32497, 4.44984],
        "image_raw": [-0.479007, 1.484738, -1.80569, -1.51939, 1.34305],
        "image_depth": [2.709131, 0.048779, 2.74293],
        "image_mask": [0.243059, 0.071056, 0.38891],
    },
    "C": {
        "image": [1.781255, 1.781290, 3.81396, 2.03463, 3.80088],
        "image_raw": [0.019979, 1.233511, -0.84251, 2.27568, 1.29421],
        "image_depth": [2.640261, 0.038808, 2.60689],
        "image_mask": [0.197361, 0.029773, 0.22842],
    },
    "E": {
        "image": [-0.699174, 0.322791, -0.34707, -1.10100, -0.77845],
        "image_raw": [-0.672314, 0.050400, -0.69994, -0.73640, -0.69336],
        "image_depth": [2.750239, 0.018871, 2.71815],
    },
}
Z = normals(1, 1, 512)


def near(values: list[float], golden: list[float], largest: float) -> bool:
    """To 1e-4 of the largest absolute value, and the last printed digit of the golden number."""
    return all(abs(a - b) <= 1e-4 * largest + 1e-5 for a, b in zip(values, golden, strict=True))


@functools.lru_cache(maxsize=1)
def generator_of(name: str) -> Generator:
    """Not to be changed: several tests share it."""
    changes, family = SETTINGS[name]
    return with_golden_weights(build_generator(generator_config(INIT, RENDERING | changes, family, 64)))


@pytest.fixture(scope="module")
def pano() -> Iterator[Generator]:
    with torch.no_grad():
        yield generator_of("A")


@pytest.fixture(scope="module")
def ws(pano: Generator) -> Tensor:
    return pano.mapping(Z, C0, 0.7, 14)


def test_panohead_has_as_many_parameters_as_published(pano: Generator) -> None:
    parts = {
        "backbone": [pano.mapping_network, pano.field.synthesis],
        "superresolution": [pano.post.superresolution],
        "decoder": [pano.field.decoder],
        "torgb": [pano.post.to_raw],
        "background": [pano.post.background],
        "shift": [pano.adaptation],
    }
    counts = {name: sum(p.numel() for m in part for p in m.parameters()) for name, part in parts.items()}
    assert counts == {
        "backbone": 29_574_893,
        "superresolution": 1_649_578,
        "decoder": 4_257,
        "torgb": 16_515,
        "background": 22_494_667,
        "shift": 1_638,
    }
    assert sum(p.numel() for p in pano.parameters()) == 53_741_548


def test_styles(ws: Tensor) -> None:
    assert near([ws.mean().item(), ws.std().item()], [0.243076, 0.575295], 1.0)
    assert near(ws[0, 0, :4].tolist(), [0.424132, 0.118890, 1.417223, 0.171689], 1.0)


def test_the_learned_camera_shift(pano: Generator) -> None:
    assert near(pano.adaptation(Z, C1)[1][0].tolist(), [0.700028, 1.068526, 0.564745], 1.0)
    assert near(pano.adaptation(Z, C1, 0.7)[1][0].tolist(), [0.531221, 0.750629, 0.402240], 1.0)


def test_planes(pano: Generator, ws: Tensor) -> None:
    # Published order of channels: (plane, feature, depth).
    planes = pano.planes(ws).transpose(2, 3).flatten(1, 3)
    assert near([planes.mean().item(), planes.std().item()], [-0.018724, 1.981447], 1.0)
    golden = [0.702498, -2.079098, 0.950465, 3.419318, 0.675476, -0.385468]
    assert near(planes[0, [0, 1, 2, 3, 32, 95], 100, 37].tolist(), golden, 1.0)


def check_pictures(name: str) -> None:
    G = generator_of(name)
    with torch.no_grad():
        out = G.synthesis(G.mapping(Z, C0, 0.7, 14), C1)
    for key, golden in PICTURES[name].items():
        assert near(numbers(out[key]), golden, out[key].abs().max().item()), key


# B differs from A in the activation of its decoder alone. Weights are drawn once for tests that follow each other.
@pytest.mark.parametrize("name", slow_but("ACE", "ABCE"))
def test_pictures(name: str) -> None:
    check_pictures(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", "ABCE")
def test_pictures_by_the_definitions_of_the_operators(name: str) -> None:
    with forced("reference"):
        check_pictures(name)


def test_eg3d() -> None:
    G = generator_of("E")
    assert sum(p.numel() for p in G.parameters()) == 30_662_136
    with torch.no_grad():
        planes = G.planes(G.mapping(Z, C0, 0.7, 14))
        assert near([planes.mean().item(), planes.std().item()], [-0.078481, 2.018993], 1.0)
        assert near(numbers(G(Z, C1, 0.7)["image"])[:2], [-0.701936, 0.121486], 1.0)


@pytest.mark.slow
def test_other_views_sizes_and_backgrounds(pano: Generator, ws: Tensor) -> None:
    planes = pano.planes(ws)
    front = pano.synthesis(ws, C0, planes=planes)
    assert near(numbers(front["image"])[:2], [1.114392, 2.724393], 10.0)
    assert near([front["image_depth"].mean().item(), front["image_mask"].mean().item()], [2.745687, 0.244380], 1.0)
    assert near(numbers(pano.synthesis(ws, C1, 96, planes=planes)["image"])[:2], [1.111795, 2.784098], 10.0)
    ws_bcg = pano.mapping(normals(3, 1, 512), C0)
    assert near(numbers(pano.synthesis(ws, C1, ws_bcg=ws_bcg, planes=planes)["image"])[:2], [2.043492, 2.676540], 10.0)


def test_a_picture_with_the_learned_shift(pano: Generator) -> None:
    assert near(numbers(pano(Z, C1, 0.7)["image"])[:2], [0.988000, 3.052626], 10.0)


def test_densities_of_points(pano: Generator, ws: Tensor) -> None:
    sigma = pano.sample_mixed(uniforms(2, -0.5, 0.5, 1, 5, 3), None, ws)["sigma"]
    assert near(sigma.flatten().tolist(), [-0.028538, 0.932737, 0.498440, 0.476556, -0.132589], 1.0)
