# SPDX-License-Identifier: Apache-2.0
"""How much of everything a tour makes. What is shown follows from these numbers and from the model."""

import dataclasses

from training.pretrained import load_generator


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Those of `make demo`: under ten minutes on two cores."""

    resolution: int = 64  # Of the data that the training is given: small, whatever is shown, or it takes days.
    model_resolution: int = 64  # Of the data that the shown model is measured and inverted with.
    frames: int = 120  # Of a turn.
    shape_res: int = 256  # Voxels along a side.
    heads: int = 1000  # In the data set.
    cfg: str = "panohead_small"
    kimg: str = "2"  # At most.
    training_minutes: str = "3"  # At most, for machines differ.
    tick_kimg: str = "0.1"
    search_steps: int = 150
    tuning_steps: int = 60
    pictures: int = 500  # That distances are measured by.
    measured_heads: int = 32

    def of_model(self, network: str) -> "Sizes":
        """The model's data are of the size that it makes. If there is no such model, that is told where it is used."""
        try:
            return dataclasses.replace(self, model_resolution=load_generator(network).img_resolution)
        except ValueError:
            return self


FULL = Sizes()
QUICK = Sizes(
    frames=6,
    shape_res=32,
    heads=60,
    cfg="panohead_debug",
    kimg="0.032",
    tick_kimg="0.016",
    search_steps=4,
    tuning_steps=2,
    pictures=20,
    measured_heads=4,
)
