# SPDX-License-Identifier: Apache-2.0

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dnnlib.files import open_store
from tests.training.data.making.sample_sets import appendix_b, encode, label, mixed, picture, write_labels, write_set
from tests.training.data.making.toy_items import content_of
from training.data.images import decode_image, decode_mask
from training.data.index import open_index
from training.data.making.building import Summary
from training.data.making.packing import PackSource, pack
from training.data.problems import DataError


def packed(folder: Path, *sources: PackSource, **options: object) -> Summary:
    defaults = {
        "img_dest": folder / "new_img.zip",
        "seg_dest": folder / "new_seg.zip",
        "transform": None,
        "resolution": None,
        "max_images": None,
        "use_basename": False,
        "ext": "png",
        "workers": 1,
        "force": False,
    }
    return pack(sources, **{**defaults, **options})


def dataset_of(path: Path) -> dict:
    return json.loads(content_of(path)["dataset.json"])


def test_the_published_example_becomes_a_set_that_opens(tmp_path: Path) -> None:
    source = PackSource(*appendix_b(tmp_path), weight=None)
    assert packed(tmp_path, source, resolution=128) == Summary(2, [])
    index = open_index(tmp_path / "new_img.zip", tmp_path / "new_seg.zip")
    assert index.names[1] == "00000/img00000001.png"
    for item in range(2):
        pixels = index.read(item)
        assert pixels.image.shape == (128, 128, 3)
        assert abs(pixels.mask.mean() - picture(item, 563, 563)[1].mean()) < 0.5
        np.testing.assert_allclose(index.labels[item], label(item), atol=1e-6)
    assert dataset_of(tmp_path / "new_img.zip")["fnames"][0] == ["00000/img00000000.png", "000000.jpg"]


def test_without_a_resolution_nothing_is_enlarged(tmp_path: Path) -> None:
    packed(tmp_path, PackSource(*appendix_b(tmp_path), weight=None), max_images=1)
    assert open_index(tmp_path / "new_img.zip", tmp_path / "new_seg.zip").read(0).image.shape == (512, 512, 3)


def test_pictures_of_every_kind_become_one(tmp_path: Path) -> None:
    summary = packed(tmp_path, PackSource(*mixed(tmp_path), weight=None), transform="center-crop")
    assert summary == Summary(9, [])
    index = open_index(tmp_path / "new_img.zip", tmp_path / "new_seg.zip")
    assert len(index) == 9
    for item in range(9):
        image, mask = index.read(item)
        assert image.shape == (32, 32, 3)  # The turned one has 60 pixels, and none is to grow.
        # The ball is dark before a bright wall, so a picture turned or shifted against its mask shows.
        grey = image.mean(axis=2)
        assert grey[mask > 250].mean() < grey[mask < 5].mean() - 30
        assert grey[mask > 250].max() < grey[mask < 5].min()


def test_pictures_that_are_not_square_are_told_and_left_out(tmp_path: Path) -> None:
    summary = packed(tmp_path, PackSource(*mixed(tmp_path), weight=None), resolution=64)
    assert summary.num_made == 6
    assert [problem.name.rpartition("/")[2] for problem in summary.skipped] == [
        "f_turned.jpg",
        "h_wide.png",
        "i_tall.png",
    ]
    assert summary.skipped[1].reason == "is 100 x 64, not square"
    assert "center-crop" in summary.skipped[1].remedy


def test_what_lacks_a_label_or_a_mask_or_is_damaged_is_told_and_left_out(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path)
    (masks / "00000/img00000002.png").unlink()
    (images / "00000/img00000005.png").write_bytes((images / "00000/img00000005.png").read_bytes()[:700])
    write_labels(images, {f"00000/img{n:08d}.png": label(n) for n in range(12) if n != 7})
    summary = packed(tmp_path, PackSource(images, masks, None))
    assert summary.num_made == 9
    told = {problem.name.rpartition("/")[2]: problem.reason for problem in summary.skipped}
    assert told.keys() == {"img00000002.png", "img00000005.png", "img00000007.png"}
    assert "no mask" in told["img00000002.png"]
    assert "damaged" in told["img00000005.png"]
    assert "no label" in told["img00000007.png"]
    fnames = dict(dataset_of(tmp_path / "new_img.zip")["fnames"])
    assert fnames["00000/img00000008.png"] == "00000/img00000011.png"


def test_a_foreign_camera_convention_is_refused_with_a_recipe(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path)
    labels = {}
    for number in range(12):
        T = np.array(label(number)[:16]).reshape(4, 4)
        T[:, 1:3] *= -1  # OpenGL's camera axes.
        labels[f"00000/img{number:08d}.png"] = [*T.flatten().tolist(), *label(number)[16:]]
    write_labels(images, labels)
    with pytest.raises(DataError, match=r"(?s)OpenGL.*labels\[:, :16\].*img00000000.png"):
        packed(tmp_path, PackSource(images, masks, None))
    assert not (tmp_path / "new_img.zip").exists()


def test_several_sources_follow_each_other_with_their_weights(tmp_path: Path) -> None:
    first, second = write_set(tmp_path / "faces", num=6), write_set(tmp_path / "backs", num=4, side=80)
    (first[1] / "00000/img00000001.png").unlink()
    packed(tmp_path, PackSource(*first, 3.0), PackSource(*second, 1.0), resolution=64)
    dataset = dataset_of(tmp_path / "new_img.zip")
    assert dataset["sources"] == [
        {"name": "img", "first": 0, "count": 5, "weight": 3.0},
        {"name": "img#2", "first": 5, "count": 4, "weight": 1.0},
    ]
    index = open_index(tmp_path / "new_img.zip", tmp_path / "new_seg.zip")
    assert index.weights[:5].sum() == pytest.approx(3 * index.weights[5:].sum())
    assert dataset["fnames"][5] == ["00000/img00000005.png", "img#2/00000/img00000000.png"]
    packed(tmp_path, PackSource(*first, None), PackSource(*second, None), resolution=64, force=True)
    weights = open_index(tmp_path / "new_img.zip", tmp_path / "new_seg.zip").weights
    assert np.ptp(weights) == 0  # Without weights, all pictures are drawn alike.


def test_sources_with_and_without_cameras_do_not_mix(tmp_path: Path) -> None:
    first, second = write_set(tmp_path / "faces", num=3), write_set(tmp_path / "backs", num=3)
    (second[0] / "dataset.json").unlink()
    with pytest.raises(DataError, match="backs/img: has no cameras, while another source has"):
        packed(tmp_path, PackSource(*first, None), PackSource(*second, None))
    assert packed(tmp_path, PackSource(*second, None)).num_made == 3
    assert dataset_of(tmp_path / "new_img.zip")["labels"] is None


def test_basenames_join_across_folders(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, num=4)
    (masks / "elsewhere").mkdir()
    for path in sorted((masks / "00000").iterdir()):
        path.rename(masks / "elsewhere" / path.name)
    write_labels(images, {f"from/another/machine/img{n:08d}.png": label(n) for n in range(4)})
    with pytest.raises(DataError, match="none of its 4 images"):
        packed(tmp_path, PackSource(images, masks, None))
    assert packed(tmp_path, PackSource(images, masks, None), use_basename=True) == Summary(4, [])
    (images / "00001").mkdir()
    shutil.copy(images / "00000/img00000000.png", images / "00001/img00000000.png")
    with pytest.raises(DataError, match="cannot tell them apart"):
        packed(tmp_path, PackSource(images, masks, None), use_basename=True, force=True)


def test_transparency_is_the_mask_where_there_is_no_other(tmp_path: Path) -> None:
    images = tmp_path / "alpha"
    images.mkdir()
    for number in range(3):
        (images / f"{number}.png").write_bytes(encode(np.dstack(picture(number))))
    packed(tmp_path, PackSource(images, None, None), resolution=32)
    with open_store(tmp_path / "new_seg.zip") as store:
        assert decode_mask(store.read("00000/img00000001.png"), "").mean() == pytest.approx(
            picture(1)[1].mean(), abs=0.5
        )
    packed(tmp_path, PackSource(images, None, None), resolution=32, seg_dest=None, force=True)
    with open_store(tmp_path / "new_img.zip") as store:
        assert decode_image(store.read("00000/img00000001.png"), "").shape == (32, 32, 4)


def test_masks_that_are_missing_or_have_no_place_are_refused(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, num=2)
    with pytest.raises(DataError, match="add --seg_dest"):
        packed(tmp_path, PackSource(images, masks, None), seg_dest=None)
    with pytest.raises(DataError, match="--seg_source"):
        packed(tmp_path, PackSource(images, None, None))
    assert packed(tmp_path, PackSource(images, None, None), seg_dest=None).num_made == 2


def test_a_coarse_mask_serves_and_one_of_another_shape_does_not(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, num=3)
    (masks / "00000/img00000001.png").write_bytes(encode(np.array(picture(1)[1][::2, ::2])))
    (masks / "00000/img00000002.png").write_bytes(encode(picture(2)[1][:, :50].copy()))
    summary = packed(tmp_path, PackSource(images, masks, None))
    assert summary.num_made == 2
    assert summary.skipped[0].reason == "its mask is 50 x 64 and the image 64 x 64"


def test_destinations_lie_outside_of_the_sources(tmp_path: Path) -> None:
    images, masks = write_set(tmp_path, num=2)
    for dest in (images, images / "packed.zip"):
        with pytest.raises(DataError, match="a place outside"):
            packed(tmp_path, PackSource(images, masks, None), img_dest=dest, force=True)


def test_a_changed_source_is_noticed_when_the_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, masks = write_set(tmp_path, num=4)
    monkeypatch.setattr("training.data.making.building._place", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        packed(tmp_path, PackSource(images, masks, None))
    monkeypatch.undo()
    (images / "00000/img00000001.png").write_bytes(encode(picture(9)[0]))
    with pytest.raises(DataError, match="state of the sources"):
        packed(tmp_path, PackSource(images, masks, None))
    assert packed(tmp_path, PackSource(images, masks, None), force=True).num_made == 4


def test_the_bytes_of_a_pack_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    source = PackSource(*mixed(tmp_path), None)
    for workers in (1, 2):
        (tmp_path / str(workers)).mkdir()
        packed(tmp_path / str(workers), source, transform="center-crop-wide", resolution=64, workers=workers)
    for name in ("new_img.zip", "new_seg.zip"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
