# SPDX-License-Identifier: Apache-2.0
"""Named conditions: as one tensor and back, and on their way to the slots of a generator."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from tests.training.small import CONFIG, codes, labels, small_generator
from training.adaptation import AbstractAdaptation
from training.builder import build_generator
from training.cameras import camera_from_label, label_from_camera, translate
from training.conditions import join, split
from training.generator import Generator
from training.types import Codes
from training.warps.base import AbstractWarp, Warped

WIDTHS = {"camera": 25, "pose": 6}


def test_conditions_are_the_columns_of_one_tensor() -> None:
    c = torch.randn(3, 31)
    parts = split(c, WIDTHS)
    assert {name: x.shape for name, x in parts.items()} == {"camera": (3, 25), "pose": (3, 6)}
    assert torch.equal(join({"else": None, **dict(reversed(parts.items()))}, WIDTHS), c)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"camera": torch.zeros(2, 25)}, r"'pose' must be \[batch, 6\], but it is absent"),
        ({"camera": torch.zeros(2, 25), "pose": torch.zeros(2, 5)}, r"it is \[2, 5\]"),
        ({"camera": torch.zeros(2, 25), "pose": [0.0] * 6}, "it is a list"),
        ({"camera": torch.zeros(2, 25), "pose": torch.zeros(1, 6)}, "camera 2, pose 1"),
    ],
)
def test_conditions_that_make_no_tensor_are_told_in_a_sentence(conditions: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        join(conditions, WIDTHS)


class LearnedPose(AbstractAdaptation):
    """Every code has a pose of its own, whatever pose was given."""

    precedes_mapping = True

    def forward(
        self,
        z: Float[Tensor, "batch z_dim"],
        c: Float[Tensor, "batch c_dim"],
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> tuple[Float[Tensor, "batch c_dim"], Float[Tensor, "batch 6"]]:
        pose = 0.1 * z[:, :6].tanh()
        return torch.cat([c[:, :25], pose], dim=1), pose


class MovedByPose(AbstractWarp):
    """The whole scene stands where the first three numbers of the pose say."""

    allows_chunks = True

    def forward(self, points: Float[Tensor, "batch rays samples 3"], codes: Codes) -> Warped:
        return Warped(points - codes["pose"][:, None, None, :3])


@pytest.fixture
def posed() -> Generator:
    """In the slots of 3DPortraitGAN: a pose that follows from the code, seen by mapping and warp."""
    torch.manual_seed(0)
    G = build_generator(CONFIG, 31).eval()
    G.conditions, G.adaptation, G.warp = dict(WIDTHS), LearnedPose(), MovedByPose()
    return G


@torch.no_grad()
def test_a_learned_pose_reaches_mapping_and_warp(posed: Generator) -> None:
    z, camera = codes(2), labels(0.1, 2.0)
    c = posed.adaptation(z, torch.cat([camera, torch.zeros(2, 6)], dim=1))[0]
    pose = c[:, 25:]
    seen = posed(z, {"camera": camera, "pose": torch.zeros(2, 6)})

    # A scene moved one way is a camera moved the other way.
    back = label_from_camera(translate(camera_from_label(camera), -pose[:, :3]))
    still = {"camera": back, "pose": torch.zeros(2, 6)}
    ws = posed.mapping(z, c)
    for key, picture in posed.synthesis(ws, still).items():
        assert torch.allclose(seen[key], picture, atol=1e-4), key
    other = posed.synthesis(posed.mapping(z, still), still)
    assert (other["image"] - seen["image"]).abs().max() > 1e-3


def test_a_learned_pose_is_learned_from_the_picture(posed: Generator) -> None:
    z = codes(1).requires_grad_()
    ws = posed.mapping(codes(1), torch.zeros(1, 31)).detach()
    posed.synthesis(ws, posed.adaptation(z, torch.cat([labels(0.3), torch.zeros(1, 6)], dim=1))[0])[
        "image"
    ].sum().backward()
    assert z.grad[:, :3].abs().min() > 0


@torch.no_grad()
def test_a_generator_takes_conditions_by_name_or_as_one_tensor() -> None:
    G = small_generator()
    z, c = codes(2), labels(0.3, 2.0)
    a, b = G(z, c), G(z, {"camera": c})
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_box_says_where_rays_end_only_if_nothing_moves(posed: Generator) -> None:
    posed.renderer.near = posed.renderer.far = None
    with pytest.raises(ValueError, match="give near and far for a MovedByPose"):
        posed(codes(1), torch.cat([labels(0.3), torch.zeros(1, 6)], dim=1))
