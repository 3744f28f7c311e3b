# SPDX-License-Identifier: Apache-2.0
"""A segmentation network with all that is needed to make masks of pictures: size, range, classes, and its reading."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from training.data.making.network_files import Network
from training.data.making.segmentation import (
    Activation,
    InputRange,
    Reading,
    decide_reading,
    mask_flaw,
    mask_of,
    network_input,
    read_output,
)
from training.data.problems import DataError

Picture = UInt8[np.ndarray, "_ _ 3"]  # Those of one batch differ in size.
Mask = UInt8[np.ndarray, "_ _"]

DEFAULT_SIZE = 512
_MIN_PROBE = 4  # So many masks that are all empty or all full are no accident.


class MaskOptions(NamedTuple):
    """What a network's file does not say of itself."""

    input_size: int | None = None
    input_range: InputRange = "imagenet"
    classes: tuple[int, ...] = ()
    activation: Activation = "auto"
    batch: int = 8


class Segmenter:
    """A network with all that is needed to make masks of pictures."""

    def __init__(self, network: Network, options: MaskOptions) -> None:
        if options.input_size and network.size and options.input_size != network.size:
            raise DataError(
                f"--input_size is {options.input_size}, but {network.path} takes pictures of {network.size} x "
                f"{network.size}; leave the option out"
            )
        self.network = network
        self.options = options
        self.size = network.size or options.input_size or DEFAULT_SIZE
        self.batch = network.batch or options.batch
        self.reading: Reading | None = None

    def masks(self, pictures: Sequence[Picture]) -> list[Mask]:
        """The masks of up to `batch` pictures. The first call decides what the network's output means."""
        inputs = network_input(pictures, self.size, self.options.input_range)
        missing = self.batch - len(inputs) if self.network.batch else 0
        output = self.network.run(np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)]))
        try:
            if self.reading is None:
                self.reading = decide_reading(
                    output, len(inputs) + missing, self.options.classes, self.options.activation
                )
            heads = read_output(output, self.reading)
        except DataError as error:
            raise DataError(f"{self.network.path}: {error}") from None
        return [mask_of(head, picture.shape[:2]) for head, picture in zip(heads, pictures, strict=False)]

    def probe(self, pictures: Sequence[Picture]) -> None:
        """Masks of the first batch, to fail before hours of work rather than after."""
        flaws = [mask_flaw(mask) for mask in self.masks(pictures)]
        if len(flaws) >= _MIN_PROBE and None not in flaws and len(set(flaws)) == 1:
            raise DataError(
                f"{self.network.path}: of all of the first {len(flaws)} pictures {flaws[0]}; the output is read as "
                f"{self.reading}, the input is {self.options.input_range}: check --class_index, --input_range and "
                "--activation"
            )
