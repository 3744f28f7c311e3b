# SPDX-License-Identifier: Apache-2.0
"""Every kind of metric in every mode, on a generator of a few thousand weights."""

import math
from pathlib import Path

import pytest
import torch

from metrics.bench import Bench, Keep, Reals
from metrics.detectors.options import FEATURES, parse_detector
from metrics.detectors.shop import DetectorShop
from metrics.measures import Result, measure
from metrics.names import parse_list
from metrics.pictures import MODES, Mode
from tests.metrics import detector_files as files
from training.cameras import camera_from_label, view_angles
from training.data.dataset import ImageDataset
from training.generator import Generator

CPU = torch.device("cpu")
WITHOUT_FILES = "fd20_thumbs,kd20_thumbs,kdbins64_thumbs,pr20_full_thumbs,depth4,raw4,mirror4,shift20"


def measured(
    generator: Generator,
    dataset: ImageDataset,
    names: str,
    mode: Mode = "all",
    shop: DetectorShop | None = None,
    **options,
) -> dict[str, Result]:
    wanted = parse_list(names)
    given = {"mode": mode, "seed": 0, "device": CPU, **options}
    bench = Bench(generator, Reals(dataset), shop or DetectorShop((), CPU), wanted, **given)
    return {each.name: measure(bench, each) for each in wanted}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> DetectorShop:
    folder = tmp_path_factory.mktemp("detectors")
    colours = files.write_script(folder / "colours.pt", files.Colours())
    bright = files.write_script(folder / "bright.pt", files.Bright())
    names = ("inception", "classes", "vgg16", "lpips", "face")
    texts = [*(f"{name}={colours}#size=any&range=0..1" for name in names), f"segmentation={bright}#size=32&range=0..1"]
    shop = DetectorShop([parse_detector(text) for text in texts], CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(FEATURES, "inception")  # 2048 features would take a minute.
        shop.features("inception")
    return shop


@pytest.mark.parametrize("mode", MODES)
def test_what_needs_no_file_is_measured_in_every_mode(generator: Generator, dataset: ImageDataset, mode: Mode) -> None:
    found = measured(generator, dataset, WITHOUT_FILES, mode)
    assert len(found) == 8
    blind = ("depth4", "mirror4")  # Fresh weights make a haze, in which no head is.
    assert all(math.isnan(found[name].value) and found[name].counts["without"] == 4 for name in blind)
    for name in found.keys() - blind:
        assert math.isfinite(found[name].value), name
        assert all(math.isfinite(part) for part in found[name].parts.values()), name
    assert found["pr20_full_thumbs"].counts == {"generated": 20, "real": len(dataset)}
    assert set(found["depth4"].parts) == {"final", "raw", "unmoved", "seen_by_both"}


def test_what_needs_networks_is_measured_with_files(
    generator: Generator, dataset: ImageDataset, shop: DetectorShop
) -> None:
    names = "fid20_full,kid20_full,pr20_full,is20,ppl2_wend8,id8,maskmse4,fidbins64"
    found = measured(generator, dataset, names, shop=shop)
    assert 1 <= found["is20"].value <= 8
    assert -1 <= found["id8"].value <= 1
    assert found["id8"].parts["detected"] == 1
    assert found["ppl2_wend8"].value > 0
    assert set(found["maskmse4"].parts) == {"mask", "background"}
    assert all(result.detector["digest"].startswith("sha256:") for result in found.values())


def test_the_same_pictures_serve_every_metric_and_each_is_rendered_once(
    generator: Generator, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = []
    forward = generator.forward
    monkeypatch.setattr(generator, "forward", lambda z, c: rendered.append(len(z)) or forward(z, c))
    found = measured(generator, dataset, "fd20_thumbs,kd12_thumbs,fdbins30_thumbs,pr20_thumbs")
    assert sum(rendered) == 30
    assert found["fd20_thumbs"] == measured(generator, dataset, "fd20_thumbs", batch=7)["fd20_thumbs"]


def test_rows_are_kept_by_content_and_found_again(
    generator: Generator, dataset: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Keep(tmp_path, "network", "data")
    wanted = parse_list("fd20_thumbs,raw4")

    def bench(of: Keep) -> Bench:
        shop = DetectorShop((), CPU)
        return Bench(generator, Reals(dataset, of), shop, wanted, mode="all", seed=0, device=CPU, keep=of)

    first = [measure(bench(keep), each) for each in wanted]
    forward = generator.forward
    monkeypatch.setattr(generator, "forward", lambda *_: pytest.fail("rendered again"))
    again = bench(keep)
    assert [measure(again, each) for each in wanted] == first
    monkeypatch.setattr(generator, "forward", forward)
    other = bench(Keep(tmp_path, "network", "other data"))
    monkeypatch.setattr(generator, "forward", lambda *_: pytest.fail("rendered again"))
    with pytest.raises(pytest.fail.Exception, match="rendered again"):
        measure(other, wanted[0])
    again.forget()
    assert len(list((tmp_path / "generated").iterdir())) == 0
    assert len(list((tmp_path / "reals").iterdir())) == 2, "those of both data sets"


def test_a_picture_has_a_face_only_where_the_detector_says_so(
    generator: Generator, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Half:
        name, digest, facts = "half", "half", {"name": "half"}

        def features(self, images: torch.Tensor) -> torch.Tensor:
            rows = torch.ones(len(images), 3)
            rows[::2] = math.nan
            return rows

    class NoFaces(Half):
        def features(self, images: torch.Tensor) -> torch.Tensor:
            return torch.full((len(images), 3), math.nan)

    shop = DetectorShop((), CPU)
    monkeypatch.setattr(shop, "faces", lambda name: Half())
    found = measured(generator, dataset, "id8", shop=shop)["id8"]
    assert (found.value, found.parts["detected"], found.counts["pairs"]) == (pytest.approx(1.0), 0.5, 4)
    monkeypatch.setattr(shop, "faces", lambda name: NoFaces())
    found = measured(generator, dataset, "id8", shop=shop)["id8"]
    assert math.isnan(found.value)
    assert (found.parts["detected"], found.counts["pairs"]) == (0.0, 0)


def test_a_detector_that_is_not_there_is_told_of_before_any_work(
    generator: Generator, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "forward", lambda *_: pytest.fail("work was done"))
    with pytest.raises(ValueError, match="--detector=inception=FILE"):
        measured(generator, dataset, "fd20_thumbs,fid20")


def test_the_yaw_that_is_told_is_compared_with_the_one_that_was_asked_for(
    generator: Generator, dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Teller:
        """Sees the front in every picture, and tells so ten degrees off."""

        name, digest, facts = "headnetyaw", "teller", {"name": "teller"}

        def features(self, images: torch.Tensor) -> torch.Tensor:
            told_rad = torch.full((len(images),), math.radians(10))
            return torch.stack([told_rad.cos(), told_rad.sin()], dim=1)

    shop = DetectorShop((), CPU)
    monkeypatch.setattr(shop, "features", lambda name: Teller())
    found = measured(generator, dataset, "yaw40", shop=shop)["yaw40"]
    asked_deg = torch.rad2deg(view_angles(camera_from_label(dataset.labels)).azimuth_rad)
    differences = [min(abs(10 - float(a)), 360 - abs(10 - float(a))) for a in asked_deg]
    assert found.parts["real"] == pytest.approx(sum(differences) / len(differences), abs=1e-3)
    assert 0 < found.value < 180
