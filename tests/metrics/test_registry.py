# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from metrics.thumbnails import thumbnails

from configs import resolve
from metrics.pictures import generated_pictures, real_pictures, to_8_bits
from metrics.registry import find
from training.builder import build_generator
from training.data.config import DataConfig
from training.data.dataset import ImageDataset, open_dataset
from training.data.making.building import build
from training.data.synthetic.items import MakeHead
from training.data.synthetic.settings import SyntheticSettings
from training.generator import Generator

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    folder = tmp_path_factory.mktemp("heads")
    images, masks = str(folder / "img.zip"), str(folder / "seg.zip")
    make = MakeHead(SyntheticSettings(resolution=32))
    build(make, 24, img_dest=images, seg_dest=masks, settings={}, workers=1, force=False, description="heads")
    return open_dataset(DataConfig(img_data=images, seg_data=masks, mirror=True), seed=0)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return build_generator(resolve("debug").generator).eval()


def test_thumbnails_are_means_of_cells() -> None:
    image = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    expected = image.float().view(2, 3, 8, 4, 8, 4).mean(dim=(3, 5)) / 255
    assert torch.allclose(thumbnails(image), expected.flatten(1))


def test_stored_pictures_are_rounded_and_limited() -> None:
    image = torch.tensor([-2.0, -1, 0, 1, 2]).expand(1, 3, 1, 5)
    assert to_8_bits(image)[0, 0, 0].tolist() == [0, 0, 128, 255, 255]


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


def test_real_pictures_are_counted_as_often_as_they_are_drawn(dataset: ImageDataset) -> None:
    total = sum(float(weights.sum()) for _, weights in real_pictures(dataset, 1000))
    assert total == pytest.approx(float(dataset.weights.sum()))
    assert sum(len(image) for image, _ in real_pictures(dataset, 10)) == 10


def test_pictures_do_not_depend_on_how_many_come_after(dataset: ImageDataset, generator: Generator) -> None:
    few = torch.cat(list(generated_pictures(generator, dataset, 3, 0, CPU)))
    many = torch.cat(list(generated_pictures(generator, dataset, 20, 0, CPU)))
    assert (few.int() - many[:3].int()).abs().max() <= 1


@pytest.mark.parametrize("name", ["fid50k_full", "fd1k", "fd0_thumbs", "fd_thumbs", ""])
def test_an_unknown_metric_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(ValueError, match="fd1k_thumbs"):
        find(name)
