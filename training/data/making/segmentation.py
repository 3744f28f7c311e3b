# SPDX-License-Identifier: Apache-2.0
"""Soft head masks from the output of a segmentation network.

A *reading* says what the output means: probabilities or logits of how many classes, or class numbers, and which of the
classes together are the head. It is decided once, on the first batch, and then holds for all, so that a picture's mask
does not depend on its neighbours.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image

from training.data.problems import DataError

Activation = Literal["auto", "softmax", "sigmoid", "none"]
InputRange = Literal["0..1", "-1..1", "imagenet"]

_MEAN_STD: dict[InputRange, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "-1..1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # The statistics most backbones were trained with.
}
_SLACK = 1e-3  # Probabilities of networks in half precision.


class Reading(NamedTuple):
    """What the output of a network means."""

    kind: Literal["softmax", "sigmoid", "probabilities", "classes"]
    classes: tuple[int, ...]

    def __str__(self) -> str:
        what = {"softmax": "logits (softmax)", "sigmoid": "logits (sigmoid)", "classes": "class numbers"}
        return f"{what.get(self.kind, self.kind)}, the head is class {' + '.join(map(str, self.classes))}"


def network_input(
    pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]], size: int, input_range: InputRange
) -> Float32[np.ndarray, "n 3 size size"]:
    """A batch. What is not square is continued to a square by its edge, so that heads keep their shape."""
    mean, std = (np.float32(numbers)[:, None, None] for numbers in _MEAN_STD[input_range])
    batch = np.empty((len(pictures), 3, size, size), dtype=np.float32)
    for i, picture in enumerate(pictures):
        resized = Image.fromarray(np.ascontiguousarray(_squared(picture))).resize(
            (size, size), Image.Resampling.BICUBIC
        )
        batch[i] = (np.asarray(resized, dtype=np.float32).transpose(2, 0, 1) / 255 - mean) / std
    return batch


def decide_reading(
    output: Shaped[np.ndarray, "n ..."], num_pictures: int, classes: Sequence[int], activation: Activation
) -> Reading:
    """What the first output means, or why it cannot be masks. No `classes` means the only one there is."""
    if output.shape[:1] != (num_pictures,) or output.ndim not in (3, 4) or min(output.shape) == 0:
        raise DataError(
            f"the network's output for {num_pictures} pictures has the shape {list(output.shape)}; that of masks is "
            "[batch, classes, height, width] or [batch, height, width]: export the output that is the segmentation"
        )
    if np.issubdtype(output.dtype, np.integer):
        if output.ndim == 4 and output.shape[1] != 1:
            raise DataError(f"the network gives whole numbers of shape {list(output.shape)}; export its logits")
        if not classes:
            raise DataError(f"the network gives class numbers {_some(np.unique(output))}; say which with --class_index")
        return Reading("classes", tuple(classes))
    output = _four_axes(output)
    num_classes = output.shape[1]
    if not classes and num_classes > 1:
        raise DataError(f"the network gives classes 0 to {num_classes - 1}; say which are the head with --class_index")
    classes = tuple(classes) or (0,)
    if not all(0 <= index < num_classes for index in classes):
        raise DataError(f"--class_index is {_some(classes)}, but the network's classes are 0 to {num_classes - 1}")
    if not np.isfinite(output).all():
        raise DataError("the network gives NaN or infinite values; is --input_range the one that it was made for?")
    low, high = float(output.min()), float(output.max())
    are_probabilities = low >= -_SLACK and high <= 1 + _SLACK
    if activation == "none" and not are_probabilities:
        raise DataError(
            f"the network gives values from {low:.3g} to {high:.3g}, which are no probabilities: use --activation "
            "softmax or sigmoid"
        )
    if activation in ("softmax", "sigmoid"):
        return Reading(activation, classes)
    if are_probabilities:
        return Reading("probabilities", classes)
    return Reading("softmax" if num_classes > 1 else "sigmoid", classes)


def read_output(output: Shaped[np.ndarray, "n ..."], reading: Reading) -> Float32[np.ndarray, "n height width"]:
    """Probabilities that pixels are head, at the network's resolution."""
    if reading.kind == "classes":
        labels = output.reshape(len(output), *output.shape[-2:])
        return np.isin(labels, reading.classes).astype(np.float32)
    values = _four_axes(output).astype(np.float32)
    if not np.isfinite(values).all():
        raise DataError("the network gives NaN or infinite values; run it in single precision, or export it again")
    chosen = list(reading.classes)
    if reading.kind == "softmax":
        with np.errstate(over="ignore"):  # The difference of the largest floats is -inf, and its exponential right.
            exponentials = np.exp(values - values.max(axis=1, keepdims=True))
        head = exponentials[:, chosen].sum(axis=1) / exponentials.sum(axis=1)
    elif reading.kind == "sigmoid":
        head = (0.5 + 0.5 * np.tanh(values[:, chosen] / 2)).sum(axis=1)  # A sigmoid that cannot overflow.
    else:
        head = values[:, chosen].sum(axis=1)
    return np.clip(head, 0, 1)


def mask_of(head: Float32[np.ndarray, "_ _"], picture_shape: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    """The mask of a picture of (height, width), from probabilities over the square that it was continued to."""
    side = max(picture_shape)
    square = np.asarray(Image.fromarray(head).resize((side, side), Image.Resampling.BICUBIC))
    (top, left), (height, width) = _offsets(picture_shape), picture_shape
    return np.rint(255 * np.clip(square[top : top + height, left : left + width], 0, 1)).astype(np.uint8)


def mask_flaw(mask: UInt8[np.ndarray, "height width"]) -> str | None:
    """Why a mask can hardly be that of a head, if it cannot."""
    if mask.max() < 128:
        return "the mask is empty: no pixel is more likely head than not"
    if mask.min() >= 128:
        return "the mask is full: every pixel is more likely head than not"
    return None


def _squared(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "side side 3"]:
    side = max(picture.shape[:2])
    padding = [
        (start, side - length - start)
        for start, length in zip(_offsets(picture.shape[:2]), picture.shape, strict=False)
    ]
    return np.pad(picture, [*padding, (0, 0)], mode="edge")


def _offsets(shape: tuple[int, ...]) -> tuple[int, int]:
    """Top and left of a picture in the middle of its square."""
    side = max(shape)
    return (side - shape[0]) // 2, (side - shape[1]) // 2


def _four_axes(output: Shaped[np.ndarray, "n ..."]) -> Shaped[np.ndarray, "n classes height width"]:
    return output if output.ndim == 4 else output[:, None]


def _some(numbers: Sequence[int] | np.ndarray) -> str:
    shown = ", ".join(str(int(number)) for number in numbers[:8])
    return shown + (", ..." if len(numbers) > 8 else "")
