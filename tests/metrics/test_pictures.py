# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from metrics.pictures import MODES, GeneratedPictures, Mode, RealPictures, bin_name, to_8_bits, yaw_bin
from training.data.dataset import ImageDataset
from training.generator import Generator

CPU = torch.device("cpu")


def test_stored_pictures_are_rounded_and_limited() -> None:
    image = torch.tensor([-2.0, -1, 0, 1, 2]).expand(1, 3, 1, 5)
    assert to_8_bits(image)[0, 0, 0].tolist() == [0, 0, 128, 255, 255]


def test_real_pictures_are_all_or_spread_over_the_set(dataset: ImageDataset) -> None:
    assert len(RealPictures(dataset)) == len(dataset)
    some = RealPictures(dataset, 10)
    pictures, is_whole = some.pictures(torch.arange(10))
    assert pictures.shape == (10, 3, 32, 32)
    assert is_whole.all()
    assert torch.equal(pictures[9], dataset[len(dataset) - 1].image)
    assert some.weights.tolist() == [1.0] * 10


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_follows_from_its_number_alone(dataset: ImageDataset, generator: Generator, mode: Mode) -> None:
    pictures = GeneratedPictures(generator, dataset, mode, 0, CPU)
    together = pictures.pictures(torch.tensor([0, 5, 9])).int()
    assert together.shape == (3, 3, 32, 32)
    assert (together[1:2] - pictures.pictures(torch.tensor([5])).int()).abs().max() <= 1
    other = GeneratedPictures(generator, dataset, mode, 1, CPU)
    assert (together[:1] - other.pictures(torch.tensor([0])).int()).abs().max() > 1


def test_modes_differ_in_what_styles_know_of_the_camera(
    dataset: ImageDataset, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, dict[str, torch.Tensor]] = {}

    def spied(name: str):
        def call(inputs: torch.Tensor, c: torch.Tensor) -> dict[str, torch.Tensor]:
            found[mode][name] = c
            return {"image": torch.zeros(len(c), 3, 32, 32)}

        return call

    for name in ("forward", "mapping", "synthesis"):
        monkeypatch.setattr(generator, name, spied(name))
    for mode in MODES:
        found[mode] = {}
        GeneratedPictures(generator, dataset, mode, 0, CPU).pictures(torch.arange(4))
    assert found["all"].keys() == found["front"].keys() == {"forward"}
    for mode in ("random", "back", "frontal3d"):
        assert found[mode].keys() == {"mapping", "synthesis"}
        assert torch.equal(found[mode]["synthesis"], found["all"]["forward"]), "the cameras are those of the set"
    front = found["back"]["mapping"]
    assert torch.equal(front, found["frontal3d"]["mapping"])
    assert front[:, [3, 7]].abs().max() < 1e-6
    assert (front[:, 11] > 1).all()
    other = found["random"]["mapping"]
    assert not torch.equal(other, found["random"]["synthesis"])
    assert len(other.unique(dim=0)) > 1


def test_ranges_of_yaw_have_front_and_back_in_their_middles() -> None:
    azimuth_deg = torch.tensor([0.0, -22.0, 22.0, 23.0, -23.0, 90.0, 180.0, -180.0, 158.0, -158.0, 157.0])
    names = [bin_name(int(i)) for i in yaw_bin(azimuth_deg)]
    front, back = "yaw+000", "yaw+180"
    expected = [front, front, front, "yaw+045", "yaw-045", "yaw+090", back, back, back, back, "yaw+135"]
    assert names == expected


def test_a_set_without_cameras_is_refused(generator: Generator) -> None:
    class NoCameras:
        labels = None

    with pytest.raises(ValueError, match="has none"):
        GeneratedPictures(generator, NoCameras(), "all", 0, CPU)
