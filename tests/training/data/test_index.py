# SPDX-License-Identifier: Apache-2.0
"""A set is what its files say, opened for the first time or again, whole or damaged."""

import itertools
import json
import multiprocessing
import pickle
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.training.data.sets import attempt, labels_at, make_set, mask_of, names_of, picture, write_files
from training.data import index as index_module
from training.data.images import encode_jpeg, encode_png
from training.data.index import Index, open_index
from training.data.labels import dataset_json
from training.data.problems import DataError


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """Keeps even small sets in files, as large ones are."""
    monkeypatch.setattr(index_module, "CACHED_FROM", 0)
    monkeypatch.setenv("FULLHEAD_CACHE", str(tmp_path / "cache"))
    return lambda: sorted(path.name for path in tmp_path.rglob("*.index*"))


def assert_equal(one: Index, other: Index):
    assert list(one.names) == list(other.names)
    assert one.labels.tobytes() == other.labels.tobytes()
    assert one.usable.tolist() == other.usable.tolist()
    assert (one.settings, one.mask_source, one.problems) == (other.settings, other.mask_source, other.problems)
    for item in np.flatnonzero(one.usable).tolist():
        assert np.array_equal(one.read(item).image, other.read(item).image)
        assert np.array_equal(one.read(item).mask, other.read(item).mask)


@pytest.mark.parametrize("zipped", [True, False])
def test_images_masks_labels_and_settings_come_together(tmp_path, zipped):
    labels = labels_at(np.linspace(-90, 90, 5))
    img, seg = make_set(tmp_path, 5, labels=labels, zipped=zipped, version=7, fnames=[("a", "b")])
    index = open_index(img, seg)
    assert len(index) == 5
    assert list(index.names) == names_of(5)
    assert index.names[1:3] == names_of(5)[1:3]
    assert np.array_equal(index.labels, labels)
    assert index.settings == {"version": 7}
    assert index.usable.all()
    assert (index.mask_source, index.weights, index.problems) == ("files", None, [])
    for item in range(5):
        image, mask = index.read(item)
        assert np.array_equal(image, picture(item))
        assert np.array_equal(mask, mask_of(item))
        assert np.array_equal(index.read_image(item), image)
        assert np.array_equal(index.read_mask(item), mask)


def test_the_published_example_form_is_read(tmp_path):
    """Two JPEG pictures named by six digits, grey PNG masks in a second folder, labels as texts of six decimals."""
    side = 563
    ramp = np.repeat(np.linspace(0, 255, side)[:, None], side, axis=1).astype(np.uint8)
    pictures = [np.dstack([ramp, ramp.T, ramp]), np.dstack([ramp.T, ramp, ramp])]
    labels = labels_at([10.0, 170.0])
    entries = [[f"{i:06d}.jpg", [f"{x:.6f}" for x in labels[i]]] for i in range(2)]
    images = {f"{i:06d}.jpg": encode_jpeg(pictures[i]) for i in range(2)}
    write_files(tmp_path / "img", images | {"dataset.json": json.dumps({"labels": entries}).encode()})
    write_files(tmp_path / "seg", {f"{i:06d}.png": encode_png(np.rot90(ramp, i + 1), 6) for i in range(2)})
    index = open_index(tmp_path / "img", tmp_path / "seg")
    assert list(index.names) == ["000000.jpg", "000001.jpg"]
    assert np.abs(index.labels - labels).max() < 1e-6
    for i in range(2):
        assert np.abs(index.read_image(i).astype(int) - pictures[i]).max() <= 5
        assert np.array_equal(index.read_mask(i), np.rot90(ramp, i + 1))


def test_masks_may_be_transparency(tmp_path):
    pixels = [picture(i, channels=4) for i in range(3)]
    files = {f"{i}.png": encode_png(pixels[i]) for i in range(3)}
    files["dataset.json"] = dataset_json([f"{i}.png" for i in range(3)], labels_at([0.0, 1.0, 2.0]))
    index = open_index(write_files(tmp_path / "img.zip", files))
    assert index.mask_source == "alpha"
    assert np.array_equal(index.read(1).image, pixels[1][:, :, :3])
    assert np.array_equal(index.read(1).mask, pixels[1][:, :, 3])
    assert np.array_equal(index.read_mask(1), pixels[1][:, :, 3])
    seg = write_files(tmp_path / "seg", {f"{i}.png": encode_png(mask_of(i)) for i in range(3)})
    separate = open_index(tmp_path / "img.zip", seg)
    assert np.array_equal(separate.read(1).mask, mask_of(1))
    assert np.array_equal(separate.read(1).image, pixels[1][:, :, :3])


def test_an_image_without_the_transparency_of_the_others_is_damaged(tmp_path):
    img, _ = make_set(tmp_path, 3, files={"img:" + names_of(1)[0]: encode_png(picture(0, channels=4))})
    index = open_index(img)
    with pytest.raises(DataError, match=r"img00000001\.png: has no transparency"):
        index.read(1)


def test_a_set_may_have_no_masks_or_no_labels(tmp_path):
    img, seg = make_set(tmp_path, 3)
    assert open_index(img).read(0).mask is None
    assert open_index(img).read_mask(0) is None
    plain = write_files(tmp_path / "plain", {"a.png": encode_png(picture(0))})
    assert open_index(plain, use_labels=False).labels is None
    assert open_index(img, seg, use_labels=False).labels is None


def test_a_folder_of_mixed_pictures_is_read(tmp_path):
    grey = mask_of(0)
    folder = tmp_path / "img"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "deep.png")
    Image.fromarray(grey).convert("P").save(folder / "palette.png")
    Image.fromarray(picture(0, channels=4)).save(folder / "sub" / "rgba.WEBP", lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(0)).save(folder / "turned.png", exif=exif)
    (folder / "._grey.png").write_bytes(b"a macOS resource fork")
    (folder / "notes.txt").write_text("no picture")
    index = open_index(folder, use_labels=False)
    assert list(index.names) == ["deep.png", "grey.png", "palette.png", "sub/rgba.WEBP", "turned.png"]
    for name in ("grey.png", "deep.png", "palette.png"):
        assert np.array_equal(index.read_image(list(index.names).index(name)), np.repeat(grey[:, :, None], 3, axis=2))
    assert np.array_equal(index.read_image(4), picture(0).swapaxes(0, 1)[:, ::-1])


# Sets that are wrong.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"img:dataset.json": None}, r"has no dataset\.json\. Training needs a camera .*dataset_tool\.py cameras"),
        ({"img:dataset.json": b'{"labels": null}'}, "its labels are missing or null"),
        ({"img:dataset.json": b"{}"}, "its labels are missing or null"),
        (
            {"img:dataset.json": b'{"labels": [["00000/img00000000.png", 3]]}'},
            "none of its 6 images can be used.* class 3",
        ),
        ({"img:dataset.json": b'{"labels": []}'}, "none of its 6 images can be used"),
        ({"img:dataset.json": b"{"}, r"dataset\.json: is not valid JSON"),
        (
            {"seg:" + name: None for name in names_of(6)[:2]},
            r"2 of 6 images cannot be used:\n.*has no mask of the same",
        ),
        ({f"seg:{name}": None for name in names_of(6)} | {"seg:a.png": b""}, r"seg\.zip: holds no mask of any image"),
        ({f"seg:{name}": None for name in names_of(6)}, r"seg\.zip: is empty"),
        ({f"img:{name}": None for name in names_of(6)}, r"img\.zip: holds no PNG"),
        ({f"img:{name}": None for name in names_of(6)} | {"img:dataset.json": None}, r"img\.zip: is empty"),
        (
            {"img:dataset.json": None, "img:sub/dataset.json": b"{}"},
            r"only sub/dataset\.json, and it has to lie at the root",
        ),
    ],
)
def test_a_set_that_is_wrong_is_refused_with_its_name_and_what_to_do(tmp_path, changes, words):
    img, seg = make_set(tmp_path, 6, files=changes)
    with pytest.raises(DataError, match=f"(?s){words}") as caught:
        open_index(img, seg)
    assert str(tmp_path) in str(caught.value)


def test_labels_of_a_foreign_convention_are_named_with_an_image(tmp_path):
    labels = labels_at(np.linspace(-100, 100, 6))
    labels[:, [1, 2, 5, 6, 9, 10]] *= -1  # OpenGL: y up, z backward.
    img, seg = make_set(tmp_path, 6, labels=labels)
    with pytest.raises(DataError, match=r"(?s)img\.zip/dataset\.json: .*OpenGL.*img00000000\.png"):
        open_index(img, seg)


@pytest.mark.parametrize("name", ["none.zip", "img.zpi"])
def test_a_set_that_is_not_there_is_named(tmp_path, name):
    make_set(tmp_path, 2)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        open_index(tmp_path / name)


def test_items_without_mask_or_label_can_be_left_out(tmp_path, kept):
    names = names_of(6)
    data = dataset_json([*names[:4], "not/there.png"], labels_at([0.0] * 5))
    img, seg = make_set(tmp_path, 6, files={"img:dataset.json": data, "seg:" + names[1]: None})
    for _ in range(2):  # The second time from what was kept.
        with pytest.raises(DataError, match="3 of 6 images cannot be used"):
            open_index(img, seg)
        index = open_index(img, seg, skip_damaged=True)
        assert index.usable.tolist() == [True, False, True, True, False, False]
        assert len(index.problems) == index.num_problems == 3
        assert np.isnan(index.labels[4:]).all()
        with pytest.raises(DataError, match=r"img00000001\.png: has no mask"):
            index.read(1)


def test_entries_that_no_image_needs_do_no_harm_and_are_counted(tmp_path):
    names, labels = names_of(3), labels_at([0.0, 50.0, 100.0]).tolist()
    entries = [*zip(names, labels, strict=True), ("absent.png", None), ("more.png", [1.0]), "junk"]
    changes = {"img:dataset.json": json.dumps({"labels": entries}).encode()}
    index = open_index(*make_set(tmp_path, 3, files=changes))
    assert (index.problems, index.num_unused_labels) == ([], 2)


def test_an_archive_cut_anywhere_is_refused_by_name(tmp_path):
    img, seg = make_set(tmp_path, 4)
    data = img.read_bytes()
    for length in [0, 1, 100, len(data) // 2, len(data) - 30, len(data) - 1]:
        img.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"img\.zip.* is not a readable zip archive"):
            open_index(img, seg)


@settings(max_examples=60)
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), which=st.sampled_from([0, 1]), cut=st.booleans())
def test_any_damage_gives_right_items_or_errors_with_a_name(tmp_path_factory, at, byte, which, cut):
    folder = tmp_path_factory.mktemp("set")
    paths = make_set(folder, 3)
    data = paths[which].read_bytes()
    at %= len(data)
    paths[which].write_bytes(data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :])
    index = attempt(open_index, *paths)
    if isinstance(index, DataError):
        assert "img.zip" in str(index) or "seg.zip" in str(index)
        return
    assert not cut
    for item in range(len(index)):
        pixels = attempt(index.read, item)
        if isinstance(pixels, DataError):
            assert paths[which].name in str(pixels)
        else:
            number = names_of(3).index(index.names[item]) if index.names[item] in names_of(3) else None
            assert number is None or np.array_equal(pixels.image, picture(number))


# Keeping what was found out.


@pytest.mark.parametrize("zipped", [True, False])
def test_opening_again_gives_the_same_without_looking_at_the_labels(tmp_path, kept, monkeypatch, zipped):
    img, seg = make_set(tmp_path, 6, zipped=zipped, version=1, sources=None)
    first = open_index(img, seg)
    assert len(kept()) == 1
    monkeypatch.setattr("training.data.survey.read_dataset_json", None)
    assert_equal(first, open_index(img, seg))
    assert_equal(first, open_index(str(img), str(seg)))


def test_changed_data_are_noticed_and_their_file_replaces_the_old_one(tmp_path, kept):
    img, seg = make_set(tmp_path / "a", 6)
    other_img, _ = make_set(tmp_path / "b", 6, labels=labels_at([50.0] * 6))
    before = open_index(img, seg)
    (name,) = kept()
    shutil.copyfile(other_img, img)
    after = open_index(img, seg)
    assert not np.array_equal(before.labels, after.labels)
    assert kept() == [name]
    # The one that is open goes on as it was.
    assert np.array_equal(before.labels, labels_at(np.linspace(-170, 170, 6)))


def test_a_changed_file_in_a_folder_is_noticed(tmp_path, kept):
    img, seg = make_set(tmp_path, 3, zipped=False)
    open_index(img, seg)
    (img / "dataset.json").write_bytes(dataset_json(names_of(3), labels_at([50.0, 60.0, 70.0])))
    assert np.array_equal(open_index(img, seg).labels, labels_at([50.0, 60.0, 70.0]))
    (seg / names_of(3)[0]).unlink()
    with pytest.raises(DataError, match="has no mask"):
        open_index(img, seg)


def test_variants_of_a_set_do_not_take_each_others_place(tmp_path, kept):
    img, seg = make_set(tmp_path, 3)
    for _ in range(2):
        assert open_index(img, seg).mask_source == "files"
        assert open_index(img).mask_source == "none"
        assert open_index(img, seg, use_labels=False).labels is None
    assert len(kept()) == 3


def test_a_damaged_file_is_made_again(tmp_path, kept):
    img, seg = make_set(tmp_path, 6)
    first = open_index(img, seg)
    (file,) = tmp_path.glob(".*.index")
    whole = file.read_bytes()
    for damaged in (b"", whole[:-100], whole[:200], whole[:-64] + b"\xff" * 64, b"x" * len(whole)):
        file.unlink()
        file.write_bytes(damaged)
        assert_equal(first, open_index(img, seg))
        assert file.read_bytes() == whole


def test_where_nothing_can_be_written_beside_the_data_the_cache_of_the_user_serves(tmp_path, kept, monkeypatch):
    img, seg = make_set(tmp_path / "data", 6)
    from training.data import index_cache  # noqa: PLC0415

    real_lock = index_cache.FileLock

    def lock_of_a_read_only_folder(path, **options):
        if path.parent == tmp_path / "data":
            raise PermissionError(13, "Permission denied")
        return real_lock(path, **options)

    monkeypatch.setattr(index_cache, "FileLock", lock_of_a_read_only_folder)
    first = open_index(img, seg)
    assert not list((tmp_path / "data").glob(".*"))
    assert len(list((tmp_path / "cache").rglob("*.index"))) == 1
    monkeypatch.setattr("training.data.survey.read_dataset_json", None)
    assert_equal(first, open_index(img, seg))


def test_where_nothing_can_be_written_at_all_the_set_is_opened_all_the_same(tmp_path, kept, monkeypatch):
    img, seg = make_set(tmp_path, 6)
    monkeypatch.setattr("training.data.index_cache.write_arrays", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    index = open_index(img, seg)
    assert_equal(index, pickle.loads(pickle.dumps(index)))
    assert kept() == []


def _digest(index):
    return [index.read(i).image.sum().item() for i in range(len(index))] + [index.labels.sum().item()]


def _open_and_digest(paths):
    index_module.CACHED_FROM = 0
    return _digest(open_index(*paths))


@pytest.mark.parametrize(
    ("method", "keeping"),
    [("fork", True), ("fork", False), ("spawn", True), pytest.param("spawn", False, marks=pytest.mark.slow)],
)
def test_other_processes_see_the_same(tmp_path, kept, monkeypatch, method, keeping):
    monkeypatch.setattr(index_module, "CACHED_FROM", 0 if keeping else 10**9)
    index = open_index(*make_set(tmp_path, 6))
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(_digest, (index,)) == _digest(index)


def test_processes_that_open_a_set_at_once_all_get_it_and_leave_one_file(tmp_path, kept):
    paths = make_set(tmp_path, 50)
    with multiprocessing.get_context("fork").Pool(6) as pool:
        results = pool.map(_open_and_digest, itertools.repeat(paths, 24), chunksize=1)
    assert results == [_digest(open_index(*paths))] * 24
    assert len(kept()) == 1


def test_small_sets_leave_no_files(tmp_path, monkeypatch):
    monkeypatch.setenv("FULLHEAD_CACHE", str(tmp_path / "cache"))
    open_index(*make_set(tmp_path, 6))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["img.zip", "seg.zip"]


# Sources.


def test_sources_give_weights_by_their_share(tmp_path):
    sources = [
        {"name": "a", "first": 0, "count": 4, "weight": 0.5},
        {"name": "b", "first": 4, "count": 2, "weight": 0.5},
    ]
    index = open_index(*make_set(tmp_path, 6, sources=sources))
    assert index.weights.tolist() == [0.125] * 4 + [0.25] * 2


@pytest.mark.slow
def test_a_hundred_thousand_items_open_again_in_no_time(tmp_path):
    import time  # noqa: PLC0415

    count = 100_000
    pixel, names = encode_png(picture(0, 2)), names_of(count)
    labels = dataset_json(names, labels_at(np.linspace(-180, 180, count)))
    for path, extra in ((tmp_path / "img.zip", {"dataset.json": labels}), (tmp_path / "seg.zip", {})):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**dict.fromkeys(names, pixel), **extra}.items():
                archive.writestr(name, data)
    open_index(tmp_path / "img.zip", tmp_path / "seg.zip")
    start_s = time.perf_counter()
    index = open_index(tmp_path / "img.zip", tmp_path / "seg.zip")
    assert time.perf_counter() - start_s < 0.5
    assert len(index) == count
