# SPDX-License-Identifier: Apache-2.0
"""What callers pass to a generator: what scripts for EG3D pass works, the rest is told in a sentence."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.processes import Process
from tests.training.small import codes, labels, small_generator
from training import generator_checks
from training.generator import Generator
from training.tensor_checks import values_trusted

C = labels(0.3, 2.0)


@pytest.fixture(scope="module")
def G() -> Generator:  # noqa: N802, as users call it
    return small_generator()


@pytest.fixture(scope="module")
def ws(G: Generator) -> Tensor:
    with torch.no_grad():
        return G.mapping(codes(2), C)


@torch.no_grad()
def test_codes_drawn_with_numpy_are_in_float64_and_welcome(G: Generator) -> None:
    z = torch.from_numpy(np.random.RandomState(0).randn(2, G.z_dim))
    out, same = G(z, C.double()), G(z.float(), C)
    assert out["image"].dtype == torch.float32
    assert all(torch.equal(out[key], same[key]) for key in out)
    points = torch.from_numpy(np.random.RandomState(0).uniform(-0.5, 0.5, (2, 5, 3)))
    assert G.sample(points, None, z, C)["sigma"].dtype == torch.float32


def test_numbers_of_numpy_are_numbers() -> None:
    generator_checks.truncation(np.float32(0.5), np.int64(3))
    assert generator_checks.resolution(np.int64(4)) == 4


@torch.no_grad()
def test_a_cutoff_beyond_the_last_style_truncates_all(G: Generator) -> None:
    assert torch.equal(G.mapping(codes(2), C, 0.5, 14), G.mapping(codes(2), C, 0.5))


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_styles_of_any_precision_make_pictures(G: Generator, ws: Tensor, dtype: torch.dtype) -> None:
    out = G.synthesis(ws.to(dtype), C.to(dtype), ws_bcg=ws.to(dtype))
    assert torch.isfinite(out["image"]).all()
    assert out["image"].dtype == torch.float32


@torch.no_grad()
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda G, ws: G.mapping(codes(0), labels()), "z has no rows"),
        (lambda G, ws: G.planes(ws.long()), "ws must be floating point"),
        (lambda G, ws: G.synthesis(ws, C, 0), "neural_rendering_resolution"),
        (lambda G, ws: G.synthesis(ws, C, -4), "neural_rendering_resolution"),
        (lambda G, ws: G.synthesis(ws, C, planes=G.planes(ws[:1])), r"planes must be \[2, 3, 3, 8, 16, 16\].*not \[1"),
        (lambda G, ws: G.sample_mixed(torch.zeros(2, 1, 3), None, ws, planes=G.planes(ws[:1])), r"planes must be \[2"),
        (lambda G, ws: G.synthesis(ws, C, ws_bcg=ws[..., :3]), "ws_bcg must be .* 1 picture or 2"),
        (lambda G, ws: G.synthesis(ws, C, ws_bcg=ws.repeat(2, 1, 1)), "ws_bcg must be"),
        (lambda G, ws: G.synthesis(ws, C, 10_000), "from 1 to 1024, not 10000"),
        (
            lambda G, ws: G.synthesis(ws, C, planes=G.planes(ws)[:, :, :1]),
            r"planes must be .*not \[2, 3, 1, 8, 16, 16\]",
        ),
        (lambda G, ws: G.synthesis(ws, C, planes=G.planes(ws)[..., :8]), r"planes must be"),
        (lambda G, ws: G.synthesis(ws, C, planes=G.planes(ws).to("meta")), "planes is on meta"),
        (lambda G, ws: G(codes(2), C, 0.7, -1), "truncation_cutoff .* not -1"),
        (lambda G, ws: G.mapping(codes(2), C, torch.nan), "truncation_psi .* not nan"),
        (lambda G, ws: G.synthesis(ws, {"pose": C}), r"'camera' must be \[batch, 25\], but it is absent"),
        (
            lambda G, ws: G.synthesis(ws, C * torch.cat([torch.tensor([0.0, 0, 0, 1] * 4), torch.ones(9)])),
            "looks nowhere",
        ),
        (lambda G, ws: G.synthesis(ws * torch.nan, C), "ws has numbers that are not finite"),
        (lambda G, ws: G.sample_mixed(torch.full((2, 1, 3), torch.inf), None, ws), "points has numbers"),
        (lambda G, ws: G.synthesis(ws, C, density_noise=1.0), "density_noise"),
    ],
)
def test_bad_input_is_told_in_a_sentence(G: Generator, ws: Tensor, call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(G, ws)


def test_values_of_another_type_are_told_in_a_sentence(tmp_path: Path) -> None:
    # In a program of its own: here annotations are checked first.
    script = """
from tests.training.test_generator_checks import *
G = small_generator()
ws = G.mapping(codes(2), C)
for call in (
    lambda: G.mapping([0.0] * 8, C),
    lambda: G.mapping(np.zeros((2, 8)), C),
    lambda: G.mapping(codes(2), None),
    lambda: G.synthesis(ws, C, ws_bcg=3),
    lambda: G.mapping(codes(2), C, "0.7"),
    lambda: G.synthesis(ws, C, True),
    lambda: G.synthesis(ws, C, 8.0),
):
    try:
        call()
    except ValueError as error:
        print(error)
"""
    program = Process(script, os.environ, tmp_path / "output.txt")
    assert program.wait() == 0, program.text
    told = program.lines[-7:]  # Before them the operators may tell that they cannot be built.
    assert [line.partition(" (")[0] for line in told[:4]] == [
        "z must be a tensor",
        "z must be a tensor",
        "c must be a tensor",
        "ws_bcg must be a tensor",
    ]
    assert [line.rpartition(" ")[2] for line in told[4:]] == ["'0.7'.", "True.", "8.0."]


@torch.no_grad()
def test_no_points_have_no_densities(G: Generator, ws: Tensor) -> None:
    assert G.sample_mixed(torch.zeros(2, 0, 3), None, ws)["sigma"].shape == (2, 0, 1)


def test_values_are_not_looked_at_in_training() -> None:
    G = small_generator().train()
    out = G.synthesis(G.mapping(codes(2), C) * torch.nan, C)
    assert out["image"].isnan().any()


@torch.no_grad()
def test_values_are_not_looked_at_where_they_are_trusted(G: Generator, ws: Tensor) -> None:
    with values_trusted():
        assert not torch.isfinite(G.synthesis(ws * torch.nan, C)["image"]).any()
    with pytest.raises(ValueError, match="not finite"):
        G.synthesis(ws * torch.nan, C)


@torch.no_grad()
def test_numbers_may_be_large_so_long_as_they_are_finite(G: Generator, ws: Tensor) -> None:
    points = torch.full((2, 3, 3), 3e38)  # Their sum is infinite.
    assert G.sample_mixed(points, None, ws)["sigma"].isfinite().all()
    points[0, 0] = torch.tensor([torch.inf, -torch.inf, 0])
    with pytest.raises(ValueError, match="not finite"):
        G.sample_mixed(points, None, ws)


def test_planes_of_half_precision_stay_as_they_are(G: Generator) -> None:
    planes = torch.zeros(1, *G.field.state_shape)
    for given, kept in ((torch.bfloat16,) * 2, (torch.float16,) * 2, (torch.float64, torch.float32)):
        assert generator_checks.planes(G, planes.to(given), 1).dtype == kept
    broken = torch.full_like(planes, torch.inf).to(torch.bfloat16)
    with pytest.raises(ValueError, match="not finite"):
        generator_checks.planes(G, broken, 1)
