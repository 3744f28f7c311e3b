# SPDX-License-Identifier: Apache-2.0
"""What a tri-grid holds at points, decoded: three planes of depth D, their mean at a point through two small layers.

Vocabulary: q = 2 p / box_size are the coordinates in which the box is [-1, 1]^3. Each plane spans two axes of q with
its width and height and the third with its D slices. Texel centres sit at (2 i + 1) / size - 1 (align_corners False);
outside lies zero, so the outermost half texel fades. A tri-plane is D = 1 sampled in two dimensions (`planar`); sampled
in three, its features would be scaled by 1 - |q_depth| / 2. The layers are y = W2 softplus(W1 x + b1) + b2, whose first
number is the density. Points that are not `seen` cost nothing: their density is HIDDEN_DENSITY, their features zero.

One operator, since neither the features of the samples nor the hidden layer, which are most of the bytes along a ray,
then ever reach memory; the backward pass computes both again.

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

HIDDEN_DENSITY = -1000.0  # Softplus of it is exactly zero. csrc/contract.h has the same.

# For each plane the axes of q that its (width, height, depth) run along.
_AXES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "xy_xz_yz": ((0, 1, 2), (0, 2, 1), (1, 2, 0)),
    "xy_xz_zx": ((0, 1, 2), (0, 2, 1), (2, 0, 1)),  # EG3D's weights: the third plane spans the axes of the second
}
assert tuple(_AXES) == get_args(PlaneAxes)


def trigrid_decode(
    planes: Tensor,  # [N, 3, D, F, H, W]
    points: Tensor,  # [N, P, 3], world
    w1: Tensor,  # [H, F], as all layers float32, for float64 planes float64
    b1: Tensor,  # [H]
    w2: Tensor,  # [1 + C, H]
    b2: Tensor,  # [1 + C]
    box_size: float,  # side of the box that the planes span, world units
    axes: PlaneAxes = "xy_xz_yz",
    planar: bool = False,  # two-dimensional sampling; needs D = 1
    seen: Tensor | None = None,  # [N, P] bool; None is all of them
) -> tuple[Tensor, Tensor]:  # density [N, P] and features [N, P, C] of the layers' type
    """First-order gradients with respect to planes, points and layers are exact."""
    _check_planes(planes, points, box_size, axes, planar)
    _check_layers(planes, w1, b1, w2, b2)
    if seen is not None and (seen.dtype != torch.bool or seen.shape != points.shape[:2]):
        raise ValueError(
            f"trigrid_decode: seen must be bool {list(points.shape[:2])} as the points, "
            f"got {seen.dtype} {list(seen.shape)}."
        )
    if not native.serves("trigrid_decode", planes):
        return reference(planes, points, w1, b1, w2, b2, box_size, axes, planar, seen)
    order = [axis for plane in _AXES[axes] for axis in plane]
    points = points.to(precise_type(planes))
    return torch.ops.fullhead.trigrid_decode(planes, points, w1, b1, w2, b2, box_size, order, planar, seen)


def precise_type(planes: Tensor) -> torch.dtype:
    """That of coordinates, layers and results."""
    return torch.float64 if planes.dtype == torch.float64 else torch.float32


def _check_planes(planes: Tensor, points: Tensor, box_size: float, axes: str, planar: bool) -> None:
    if planes.ndim != 6 or planes.shape[1] != 3:
        raise ValueError(f"trigrid_decode: planes must be [N, 3, D, F, H, W], got {list(planes.shape)}.")
    if not planes.is_floating_point():
        raise ValueError(f"trigrid_decode: planes must be floating point, got {planes.dtype}; convert them first.")
    if points.ndim != 3 or points.shape[2] != 3 or len(points) != len(planes):
        raise ValueError(
            f"trigrid_decode: points must be [N, P, 3] with N = {len(planes)} as the planes, got {list(points.shape)}."
        )
    if not box_size > 0:
        raise ValueError(f"trigrid_decode: box_size must be positive, got {box_size}.")
    if axes not in _AXES:
        raise ValueError(f"trigrid_decode: unknown axes '{axes}'; choose one of {', '.join(_AXES)}.")
    if planar and planes.shape[2] != 1:
        raise ValueError(f"trigrid_decode: planar sampling needs planes of depth 1, these have {planes.shape[2]}.")


def _check_layers(planes: Tensor, *layers: Tensor) -> None:
    shapes = [tuple(layer.shape) for layer in layers]
    features, (hidden, outputs) = planes.shape[3], (x[0] if x else 0 for x in shapes[1::2])
    if 0 in (features, hidden, outputs) or shapes != [(hidden, features), (hidden,), (outputs, hidden), (outputs,)]:
        raise ValueError(
            f"trigrid_decode: layers must be w1 [H, {features}] as the planes' features, b1 [H], w2 [O, H], b2 [O], "
            f"none of them empty; got {', '.join(str(list(shape)) for shape in shapes)}."
        )
    types = {layer.dtype for layer in layers}
    if types != {precise_type(planes)}:
        raise ValueError(
            f"trigrid_decode: for {planes.dtype} planes all layers must be {precise_type(planes)}, "
            f"got {', '.join(sorted(map(str, types)))}."
        )


def reference(
    planes: Tensor,
    points: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    box_size: float,
    axes: PlaneAxes,
    planar: bool,
    seen: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The definition, in plain PyTorch."""
    with native.without_autocast(planes):
        if seen is None:
            return decoded(sampled(planes, points, box_size, axes, planar), w1, b1, w2, b2)
        # Not even what is undefined there may reach a gradient.
        points = torch.where(seen[..., None], points, 0.0)
        density, features = decoded(sampled(planes, points, box_size, axes, planar), w1, b1, w2, b2)
        return torch.where(seen, density, HIDDEN_DENSITY), torch.where(seen[..., None], features, 0.0)


def sampled(planes: Tensor, points: Tensor, box_size: float, axes: PlaneAxes, planar: bool) -> Tensor:
    """The mean of the planes at points, [N, P, F]."""
    n, m, features = len(planes), points.shape[1], planes.shape[3]
    precise = precise_type(planes)
    q = points.to(precise) * (2 / box_size)
    total = 0
    for plane, axis in enumerate(_AXES[axes]):
        grid = q[..., list(axis)]  # (width, height, depth), the order that grid_sample reads
        if planar:
            image = planes[:, plane, 0].to(precise)
            values = F.grid_sample(image, grid[:, :, None, :2], "bilinear", "zeros", align_corners=False)
        else:
            volume = planes[:, plane].transpose(1, 2).to(precise)
            values = F.grid_sample(volume, grid[:, :, None, None, :], "bilinear", "zeros", align_corners=False)
        total = total + values.reshape(n, features, m)
    return (total / 3).transpose(1, 2)


def decoded(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> tuple[Tensor, Tensor]:
    """Both layers at [..., F]: the first output [...], the others [..., C]."""
    # PyTorch's softplus is linear from 20 on unless told otherwise, which float64 would show.
    y = F.linear(F.softplus(F.linear(x, w1, b1), threshold=40), w2, b2)
    return y[..., 0], y[..., 1:]


# --- Registered operators -------------------------------------------------------------------------------------------

_INPUTS = (
    "Tensor planes, Tensor points, Tensor w1, Tensor b1, Tensor w2, Tensor b2, "
    "float box_size, int[] axes, bool planar, Tensor? seen"
)
torch.library.define("fullhead::trigrid_decode", f"({_INPUTS}) -> (Tensor, Tensor)")
# Gradients of what is wanted, in this order: planes, points, and all four layers together.
torch.library.define(
    "fullhead::trigrid_decode_grad",
    f"(Tensor g_density, Tensor g_features, {_INPUTS}, bool to_planes, bool to_points, bool to_layers) -> Tensor[]",
)


@torch.library.register_fake("fullhead::trigrid_decode")
def _(planes, points, w1, b1, w2, b2, box_size, axes, planar, seen):
    return points.new_empty(points.shape[:2]), points.new_empty((*points.shape[:2], w2.shape[0] - 1))


@torch.library.register_fake("fullhead::trigrid_decode_grad")
def _(g_density, g_features, planes, points, w1, b1, w2, b2, box_size, axes, planar, seen, to_planes, to_points, to_layers):  # fmt: skip  # noqa: E501
    gradients = []
    if to_planes:
        strides = _gradient_strides(planes)
        gradients.append(torch.empty_strided(planes.shape, strides, dtype=planes.dtype, device=planes.device))
    dense = [*[points] * to_points, *[w1, b1, w2, b2] * to_layers]
    return gradients + [torch.empty_like(x, memory_format=torch.contiguous_format) for x in dense]


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
    *tensors, box_size, axes, planar, seen = inputs
    ctx.save_for_backward(*tensors, seen)
    ctx.constants = box_size, axes, planar


def _backward(ctx, g_density, g_features):
    *tensors, seen = ctx.saved_tensors
    needs = ctx.needs_input_grad[:6]
    wanted = needs[0], needs[1], any(needs[2:])
    gradients = iter(
        torch.ops.fullhead.trigrid_decode_grad(g_density, g_features, *tensors, *ctx.constants, seen, *wanted)
    )
    to_inputs = [next(gradients) if is_wanted else None for is_wanted in (*wanted[:2], *[wanted[2]] * 4)]
    return *to_inputs, None, None, None, None


torch.library.register_autograd("fullhead::trigrid_decode", _backward, setup_context=_keep_forward)
native.forbid_backward("fullhead::trigrid_decode_grad", "second derivatives of trigrid_decode")
