# SPDX-License-Identifier: Apache-2.0
"""The samples of an anti-aliased picture, and how pixels are made of them.

Vocabulary: a picture of R x R pixels is sampled at the (2R + 1) x (2R + 1) points of a *lattice* with half a pixel
between them, so that pixel (i, j) has its centre at sample (2i + 1, 2j + 1) and shares the samples on its edges. It
is the mean of its 3 x 3 samples with the weights (1 2 1) / 4 along each axis. Its *coverage* is the share of them that
see the subject.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from training import camera_rays
from training.types import Camera

TILE = 8  # samples along the side of the squares in which `tile_order` lists them


def lattice_size(resolution: int) -> int:
    """Samples along a side."""
    return 2 * resolution + 1


def lattice_rays(
    camera: Camera, resolution: int
) -> tuple[Float[Tensor, "3"], Float[Tensor, "samples 3"], Float[Tensor, " samples"]]:
    """Position of the camera, unit directions of the samples row by row, and the cosine of each with the axis.

    The cosine makes a z-depth of a length along the ray. One ray goes through every centre of a pixel.
    """
    camera = Camera(camera.T_world_cam.float(), camera.intrinsics.float())
    # The camera whose pixels are the samples: lattice = (2R + 1) / 2R * picture, and half a sample is outside.
    size = lattice_size(resolution)
    K = camera.intrinsics * (size - 1) / size
    K[:2, 2] += 0.5 / size
    K[2, 2] = 1
    _, directions = camera_rays.rays(Camera(camera.T_world_cam, K), size)
    return camera.position, directions, directions @ camera.forward


@lru_cache(maxsize=8)
def tile_order(size: int) -> Int[Tensor, " samples"]:
    """The samples of a lattice listed square by square, so that neighbours in the list are neighbours in space."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    tile = rows // TILE * size + columns // TILE
    return torch.sort(tile.flatten(), stable=True).indices


def filter_lattice(samples: Float[Tensor, "size size channels"]) -> Float[Tensor, "height width channels"]:
    """Pixels of samples."""
    rows = (samples[:-2:2] + 2 * samples[1:-1:2] + samples[2::2]) / 4
    return (rows[:, :-2:2] + 2 * rows[:, 1:-1:2] + rows[:, 2::2]) / 4


def coverage(is_hit: Bool[Tensor, "size size"]) -> Float[Tensor, "height width"]:
    """The soft mask. Where it is not 0 it is at least 1/16."""
    return filter_lattice(is_hit[..., None].float())[..., 0]


def pixel_depth(z_depth: Float[Tensor, "size size"]) -> Float[Tensor, "height width"]:
    """The centre sample's z-depth, or the least in the pixel where the centre sees nothing; inf where none sees.

    Samples that see nothing have inf.
    """
    nearest = -F.max_pool2d(-z_depth[None], kernel_size=3, stride=2)[0]
    centre = z_depth[1::2, 1::2]
    return torch.where(centre.isinf(), nearest, centre)
