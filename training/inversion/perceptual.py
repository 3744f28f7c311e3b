# SPDX-License-Identifier: Apache-2.0
"""A perceptual distance from a file: VGG16 in safetensors, or a TorchScript module that maps pictures to features.

    features = module(pictures)     pictures [N, 3, H, W] in [0, 255], at most 256 x 256; features [N, F]

The distance is the sum of squared differences of features. Modules scaled for LPIPS are of this kind; one whose forward
takes `resize_images` and `return_lpips`, as the VGG16 that NVIDIA publishes, is asked for those features.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from training.inversion.likeness import Likeness
from training.inversion.vgg_distance import VggDistance

PIXEL_WEIGHT = 0.1  # As published, beside such features.
_MAX_SIZE = 256


def load_perceptual(path: str | Path, device: torch.device) -> Likeness:
    """The distance in the features of this module. Its code runs here: it comes from people one trusts."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: is no file; name weights or a TorchScript module, or leave out --perceptual")
    if path.suffix == ".safetensors":
        vgg = VggDistance(path, device)
        return Likeness(path.name, PIXEL_WEIGHT, lambda a, b: vgg(_at_most(a), _at_most(b)))
    try:
        with warnings.catch_warnings():  # PyTorch writes no new files of this kind gladly; there are old ones.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{path}: is no TorchScript module ({reason}); docs/inversion.md says how to make one"
        ) from None
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    wanted = {argument.name for argument in module.forward.schema.arguments}
    told = {"resize_images": False, "return_lpips": True}
    told = told if set(told) <= wanted else {}

    def features(pictures: Tensor) -> Tensor:
        return module((_at_most(pictures) + 1) * 127.5, **told)

    def distance(pictures: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            wanted_features = features(targets)
        return (features(pictures) - wanted_features).square().flatten(1).sum(1)

    _try(features, path, device)
    return Likeness(path.name, PIXEL_WEIGHT, distance)


def _at_most(pictures: Tensor) -> Tensor:
    if pictures.shape[-1] <= _MAX_SIZE:
        return pictures
    return interpolate(pictures, size=(_MAX_SIZE, _MAX_SIZE), mode="area")


def _try(features: Callable[[Tensor], Tensor], path: Path, device: torch.device) -> None:
    """Before any work is done."""
    try:
        with torch.no_grad():
            found = features(torch.zeros(2, 3, 64, 64, device=device))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(
            f"{path}: takes no pictures [N, 3, H, W] ({reason}); docs/inversion.md says what it must"
        ) from None
    if not isinstance(found, Tensor) or found.shape[:1] != (2,):
        raise ValueError(f"{path}: gives no row of features for every picture; docs/inversion.md says what it must")
