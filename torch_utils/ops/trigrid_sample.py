# SPDX-License-Identifier: Apache-2.0
"""Features of a tri-grid at points: three planes of depth D, each sampled trilinearly, their mean.

Vocabulary: q = 2 p / box_size are the coordinates in which the box is [-1, 1]^3. Each plane spans two axes of q with
its width and height and the third with its D slices. Texel centres sit at (2 i + 1) / size - 1 (align_corners False);
outside lies zero, so the outermost half texel fades. A tri-plane is D = 1 sampled in two dimensions (`planar`); sampled
in three, its features would be scaled by 1 - |q_depth| / 2.

Layout: any strides are right. Fast is the feature axis innermost (stride 1), which is what a channels-last convolution
gives whose output channels are ordered (plane, depth, feature); otherwise the kernel first makes such a copy. (Planes
one after another in memory are slower than side by side: their corners lie powers of two apart and evict each other.)
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_utils.ops import native

PlaneAxes = Literal["xy_xz_yz", "xy_xz_zx"]

# For each plane the axes of q that its (width, height, depth) run along.
_AXES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "xy_xz_yz": ((0, 1, 2), (0, 2, 1), (1, 2, 0)),
    "xy_xz_zx": ((0, 1, 2), (0, 2, 1), (2, 0, 1)),  # EG3D's weights: the third plane spans the axes of the second
}
assert tuple(_AXES) == get_args(PlaneAxes)


def trigrid_sample(
    planes: Tensor,  # [N, 3, D, F, H, W]
    points: Tensor,  # [N, M, 3], world
    box_size: float,  # side of the box that the planes span, world units
    axes: PlaneAxes = "xy_xz_yz",
    planar: bool = False,  # two-dimensional sampling; needs D = 1
) -> Tensor:  # [N, M, F] of the planes' type
    """First-order gradients with respect to planes and points are exact."""
    if planes.ndim != 6 or planes.shape[1] != 3:
        raise ValueError(f"trigrid_sample: planes must be [N, 3, D, F, H, W], got {list(planes.shape)}.")
    if not planes.is_floating_point():
        raise ValueError(f"trigrid_sample: planes must be floating point, got {planes.dtype}; convert them first.")
    if points.ndim != 3 or points.shape[2] != 3 or len(points) != len(planes):
        raise ValueError(
            f"trigrid_sample: points must be [N, M, 3] with N = {len(planes)} as the planes, got {list(points.shape)}."
        )
    if not box_size > 0:
        raise ValueError(f"trigrid_sample: box_size must be positive, got {box_size}.")
    if axes not in _AXES:
        raise ValueError(f"trigrid_sample: unknown axes '{axes}'; choose one of {', '.join(_AXES)}.")
    if planar and planes.shape[2] != 1:
        raise ValueError(f"trigrid_sample: planar sampling needs planes of depth 1, these have {planes.shape[2]}.")
    if not native.serves("trigrid_sample", planes):
        return reference(planes, points, box_size, axes, planar)
    order = [axis for plane in _AXES[axes] for axis in plane]
    return torch.ops.fullhead.trigrid_sample(planes, points.to(_coordinate_type(planes)), box_size, order, planar)


def reference(planes: Tensor, points: Tensor, box_size: float, axes: PlaneAxes, planar: bool) -> Tensor:
    """The definition, in plain PyTorch. Coordinates and sums are in float32 at least."""
    n, m, features = len(planes), points.shape[1], planes.shape[3]
    precise = _coordinate_type(planes)
    q = points.to(precise) * (2 / box_size)
    total = 0
    for plane, axis in enumerate(_AXES[axes]):
        grid = q[..., list(axis)]  # (width, height, depth), the order that grid_sample reads
        if planar:
            image = planes[:, plane, 0].to(precise)
            sampled = F.grid_sample(image, grid[:, :, None, :2], "bilinear", "zeros", align_corners=False)
        else:
            volume = planes[:, plane].transpose(1, 2).to(precise)
            sampled = F.grid_sample(volume, grid[:, :, None, None, :], "bilinear", "zeros", align_corners=False)
        total = total + sampled.reshape(n, features, m)
    return (total / 3).transpose(1, 2).to(planes.dtype)


def _coordinate_type(planes: Tensor) -> torch.dtype:
    return torch.float64 if planes.dtype == torch.float64 else torch.float32


# --- Registered operators -------------------------------------------------------------------------------------------

torch.library.define(
    "fullhead::trigrid_sample", "(Tensor planes, Tensor points, float box_size, int[] axes, bool planar) -> Tensor"
)
torch.library.define(
    "fullhead::trigrid_sample_grad_planes",
    "(Tensor g, Tensor planes, Tensor points, float box_size, int[] axes, bool planar) -> Tensor",
)
torch.library.define(
    "fullhead::trigrid_sample_grad_points",
    "(Tensor g, Tensor planes, Tensor points, float box_size, int[] axes, bool planar) -> Tensor",
)


@torch.library.register_fake("fullhead::trigrid_sample")
def _(planes, points, box_size, axes, planar):
    return planes.new_empty((*points.shape[:2], planes.shape[3]))


@torch.library.register_fake("fullhead::trigrid_sample_grad_planes")
def _(g, planes, points, box_size, axes, planar):
    return torch.empty_strided(planes.shape, _gradient_strides(planes), dtype=planes.dtype, device=planes.device)


@torch.library.register_fake("fullhead::trigrid_sample_grad_points")
def _(g, planes, points, box_size, axes, planar):
    return torch.empty_like(points, memory_format=torch.contiguous_format)


def _gradient_strides(planes: Tensor) -> tuple[int, ...]:
    """The planes' own where features are innermost and the memory is dense; else those of [N, H, W, 3, D, F]."""
    _, _, depth, features, height, width = planes.shape
    strides = planes.stride()
    if strides[3] == 1 and _is_dense(planes.shape, strides):
        return strides
    plane = depth * features
    return (height * width * 3 * plane, plane, features, 1, width * 3 * plane, 3 * plane)


def _is_dense(shape: torch.Size, strides: tuple[int, ...]) -> bool:
    expected = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size == 1:
            continue
        if stride != expected:
            return False
        expected *= size
    return True


def _keep_forward(ctx, inputs, output):
    planes, points, *ctx.constants = inputs
    ctx.save_for_backward(planes, points)


def _backward(ctx, grad):
    planes, points = ctx.saved_tensors
    grad_planes = grad_points = None
    if ctx.needs_input_grad[0]:
        grad_planes = torch.ops.fullhead.trigrid_sample_grad_planes(grad, planes, points, *ctx.constants)
    if ctx.needs_input_grad[1]:
        grad_points = torch.ops.fullhead.trigrid_sample_grad_points(grad, planes, points, *ctx.constants)
    return grad_planes, grad_points, None, None, None


torch.library.register_autograd("fullhead::trigrid_sample", _backward, setup_context=_keep_forward)
for _op in ("trigrid_sample_grad_planes", "trigrid_sample_grad_points"):
    native.forbid_backward(f"fullhead::{_op}", "second derivatives of trigrid_sample")
