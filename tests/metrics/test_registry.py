# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from metrics.registry import find
from training.data.dataset import ImageDataset
from training.generator import Generator

CPU = torch.device("cpu")


def test_a_better_generator_is_nearer(dataset: ImageDataset, generator: Generator) -> None:
    class Cheat(torch.nn.Module):
        """Pictures of the set itself, and how much grey is mixed in."""

        def __init__(self, grey: float) -> None:
            super().__init__()
            self.z_dim, self.num_ws, self.grey, self.next = 4, 2, grey, 0

        def forward(self, z: torch.Tensor, c: torch.Tensor) -> dict[str, torch.Tensor]:
            items = [(self.next + i) % len(dataset) for i in range(len(z))]
            self.next += len(z)
            image = torch.stack([dataset[item].image for item in items]) / 127.5 - 1
            return {"image": image * (1 - self.grey)}

    metric = find(f"fd{len(dataset)}_thumbs")
    exact, greyer, greyest = (metric(Cheat(grey), dataset, 0, CPU) for grey in (0.0, 0.3, 0.9))
    assert exact < 1e-6
    assert 1e-3 < greyer < greyest < find("fd48_thumbs")(Cheat(1.0), dataset, 0, CPU)
    untrained = metric(generator, dataset, 0, CPU)
    assert untrained == metric(generator, dataset, 0, CPU) > greyer
    assert untrained != metric(generator, dataset, 1, CPU)


@pytest.mark.parametrize(
    ("name", "says"), [("fid50k_full", "in a file"), ("fd1k", "thumbs"), ("nonsense", "fd1k_thumbs")]
)
def test_what_training_cannot_measure_is_refused_with_what_there_is(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        find(name)
