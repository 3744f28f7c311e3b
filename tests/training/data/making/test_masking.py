# SPDX-License-Identifier: Apache-2.0
"""Masks of a whole set: right and in place, whole or not there, continued after a stop, honest about failures."""

import io

import numpy as np
import pytest
from PIL import Image

from dnnlib.files import open_store
from tests.training.data.making.tiny_networks import write_onnx, write_script
from training.data.images import decode_mask, encode_png
from training.data.making.masking import make_masks
from training.data.making.network_files import open_network
from training.data.making.segmenter import MaskOptions, Segmenter
from training.data.problems import DataError

UNIT = MaskOptions(input_size=32, input_range="0..1", classes=(1,), batch=4)


def disc_picture(width, height, centre, radius=9):
    y, x = np.mgrid[:height, :width] + 0.5
    disc = np.clip(radius + 0.5 - np.hypot(x - centre[0], y - centre[1]), 0, 1)
    return np.repeat(np.rint(255 * disc)[..., None], 3, axis=2).astype(np.uint8)


def write_pictures(path, num=10):
    rng = np.random.default_rng(0)
    with open_store(path, "w") as store:
        for i in range(num):
            width, height = rng.integers(28, 50, 2)
            picture = disc_picture(width, height, rng.uniform(12, 18, 2))
            if i % 3 == 1:
                file = io.BytesIO()
                Image.fromarray(picture).save(file, "JPEG", quality=95)
                store.write(f"some/pic{i}.jpg", file.getvalue())
            else:
                store.write(f"pic{i}.png", encode_png(picture))
        store.write("dataset.json", b"{}")
    return path


def run(img_data, seg_dest, network, options=UNIT, force=False, show=lambda *_: None):
    segmenter = Segmenter(open_network(network, "cpu"), options)
    return make_masks(img_data, seg_dest, segmenter, workers=2, force=force, show=show)


def read_all(path):
    with open_store(path) as store:
        return {name: store.read(name) for name in store.names()}


@pytest.mark.parametrize("source", ["pictures", "pictures.zip"])
@pytest.mark.parametrize("dest", ["masks", "masks.zip"])
def test_every_picture_gets_the_mask_that_the_network_sees(tmp_path, source, dest):
    img_data = write_pictures(tmp_path / source)
    seen = []
    report = run(img_data, tmp_path / dest, write_onnx(tmp_path / "net.onnx"), show=lambda *cell: seen.append(cell))
    assert report.num_masks == 10
    assert report.skipped == report.flawed == []
    with open_store(img_data) as pictures, open_store(tmp_path / dest) as masks:
        names = [name for name in pictures.names() if name != "dataset.json"]
        assert masks.names() == sorted(name.rsplit(".", 1)[0] + ".png" for name in names)
        for name in names:
            picture = np.asarray(Image.open(io.BytesIO(pictures.read(name))))
            mask = decode_mask(masks.read(name.rsplit(".", 1)[0] + ".png"), name)
            assert mask.shape == picture.shape[:2]
            assert np.mean((mask > 127) != (picture[..., 0] > 127)) < 0.02
    assert not (tmp_path / f"{dest}.parts").exists()
    assert {name for name, _, _ in seen} == set(names)


def test_a_network_of_a_fixed_size_and_batch_and_one_in_torchscript_agree(tmp_path):
    img_data = write_pictures(tmp_path / "pictures")
    run(img_data, tmp_path / "a", write_onnx(tmp_path / "net.onnx"))
    fixed = UNIT._replace(input_size=None)
    run(img_data, tmp_path / "b", write_onnx(tmp_path / "fixed.onnx", size=32, batch=3), fixed)
    run(img_data, tmp_path / "c", write_script(tmp_path / "net.pt"), UNIT._replace(classes=()))
    a, b, c = (read_all(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    for name in a:
        difference = decode_mask(a[name], name).astype(int) - decode_mask(c[name], name)
        assert np.abs(difference).max() <= 1


def test_a_stopped_run_goes_on_where_it_was_and_ends_the_same(tmp_path, monkeypatch):
    img_data, network = write_pictures(tmp_path / "pictures"), write_onnx(tmp_path / "net.onnx")
    run(img_data, tmp_path / "whole.zip", network)

    calls = []
    real = Segmenter.masks

    def stopping(self, pictures):
        calls.append(len(pictures))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, pictures)

    monkeypatch.setattr(Segmenter, "masks", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(img_data, tmp_path / "masks.zip", network)
    assert not (tmp_path / "masks.zip").exists()

    calls.clear()
    calls.extend([0, 0, 0])
    run(img_data, tmp_path / "masks.zip", network)
    assert calls[3:] == [4, 4, 2]  # The probe, then the six that were missing.
    assert read_all(tmp_path / "masks.zip") == read_all(tmp_path / "whole.zip")


def test_unfinished_work_of_other_options_is_not_taken(tmp_path, monkeypatch):
    img_data, network = write_pictures(tmp_path / "pictures"), write_onnx(tmp_path / "net.onnx")
    real = Segmenter.masks
    monkeypatch.setattr(Segmenter, "masks", lambda self, pictures: [255 - m for m in real(self, pictures)])
    monkeypatch.setattr("training.data.making.masking._publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(img_data, tmp_path / "masks", network)
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"masks\.parts.*--force"):
        run(img_data, tmp_path / "masks", network, UNIT._replace(classes=(0,)))
    run(img_data, tmp_path / "masks", network, force=True)
    run(img_data, tmp_path / "fresh", network)
    assert read_all(tmp_path / "masks") == read_all(tmp_path / "fresh")


def test_nothing_is_overwritten_without_force(tmp_path):
    img_data, network = write_pictures(tmp_path / "pictures"), write_onnx(tmp_path / "net.onnx")
    (tmp_path / "masks.zip").write_bytes(b"precious")
    with pytest.raises(DataError, match="--force"):
        run(img_data, tmp_path / "masks.zip", network)
    assert (tmp_path / "masks.zip").read_bytes() == b"precious"
    run(img_data, tmp_path / "masks.zip", network, force=True)
    assert len(read_all(tmp_path / "masks.zip")) == 10


def test_damaged_pictures_are_named_and_the_rest_is_made(tmp_path):
    img_data = write_pictures(tmp_path / "pictures")
    (img_data / "pic0.png").write_bytes((img_data / "pic0.png").read_bytes()[:100])
    report = run(img_data, tmp_path / "masks", write_onnx(tmp_path / "net.onnx"))
    assert report.num_masks == 9
    assert [problem.name for problem in report.skipped] == ["pic0.png"]


def test_masks_of_nothing_are_told_singly_and_refused_in_bulk(tmp_path):
    img_data, network = write_pictures(tmp_path / "pictures"), write_onnx(tmp_path / "net.onnx")
    (img_data / "dark.png").write_bytes(encode_png(np.zeros((30, 30, 3), np.uint8)))
    report = run(img_data, tmp_path / "masks", network)
    assert [problem.name for problem in report.flawed] == ["dark.png"]
    for name in ("pic0.png", "pic2.png", "pic3.png", "pic5.png"):
        (img_data / name).write_bytes(encode_png(np.zeros((30, 30, 3), np.uint8)))
    with pytest.raises(DataError, match=r"the mask is empty.*--input_range"):
        run(img_data, tmp_path / "others", network)
    assert not (tmp_path / "others").exists()
    assert not (tmp_path / "others.parts").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (UNIT._replace(classes=()), r"net\.onnx.*--class_index"),
        (UNIT._replace(classes=(2,)), "0 to 1"),
        (UNIT._replace(activation="none"), "--activation"),
    ],
)
def test_options_that_do_not_fit_the_network_are_told_before_any_work(tmp_path, options, words):
    img_data = write_pictures(tmp_path / "pictures")
    with pytest.raises(DataError, match=words):
        run(img_data, tmp_path / "masks", write_onnx(tmp_path / "net.onnx"), options)
    assert not (tmp_path / "masks.parts").exists()


def test_a_size_that_the_file_forbids_and_names_that_collide_are_told(tmp_path):
    with pytest.raises(DataError, match="--input_size"):
        Segmenter(open_network(write_onnx(tmp_path / "net.onnx", size=16), "cpu"), UNIT)
    img_data = write_pictures(tmp_path / "pictures")
    (img_data / "pic0.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="share one mask"):
        run(img_data, tmp_path / "masks", write_onnx(tmp_path / "net2.onnx"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no picture"):
        run(tmp_path / "empty", tmp_path / "masks", tmp_path / "net2.onnx")
