# SPDX-License-Identifier: Apache-2.0
"""An item is image, mask and camera of one picture, also mirrored."""

import pickle

import numpy as np
import pytest
import torch

from tests.training.data.sets import labels_at, make_set, mask_of, names_of, picture
from training.cameras import camera_from_label, view_angles
from training.data.config import DataConfig, SelectionConfig
from training.data.dataset import ImageDataset, open_dataset
from training.data.images import encode_png
from training.data.index import open_index
from training.data.problems import DataError

AZIMUTHS = np.array([0.0, 30, -60, 100, 179, -120])


@pytest.fixture
def paths(tmp_path):
    return make_set(tmp_path, 6, labels=labels_at(AZIMUTHS, 10.0))


def opened(paths, **options):
    return open_dataset(DataConfig(img_data=str(paths[0]), seg_data=str(paths[1]), **options), seed=0)


def test_items_are_what_was_stored(paths):
    dataset = opened(paths)
    assert len(dataset) == 6
    assert dataset.resolution == 8
    for i, item in enumerate(dataset[i] for i in range(6)):
        assert item.index == i
        assert torch.equal(item.image, torch.from_numpy(picture(i)).permute(2, 0, 1))
        assert torch.equal(item.mask[0], torch.from_numpy(mask_of(i)))
        assert torch.equal(item.label, torch.from_numpy(labels_at(AZIMUTHS, 10.0)[i]))


def test_the_second_half_of_a_mirrored_set_is_the_first_one_mirrored(paths):
    plain, mirrored = opened(paths), opened(paths, mirror=True)
    assert len(mirrored) == 12
    for i in range(6):
        item, twin = mirrored[i], mirrored[6 + i]
        assert torch.equal(item.image, plain[i].image)
        assert torch.equal(twin.image, plain[i].image.flip(-1))
        assert torch.equal(twin.mask, plain[i].mask.flip(-1))
        changed = (twin.label != item.label).nonzero()[:, 0].tolist()
        assert set(changed) <= {1, 2, 3, 4, 8}
        before, after = (view_angles(camera_from_label(label)) for label in (item.label, twin.label))
        assert torch.allclose(after.azimuth_rad, -before.azimuth_rad, atol=1e-6)
        assert torch.allclose(after.elevation_rad, before.elevation_rad, atol=1e-6)


@pytest.mark.parametrize("mirror", [False, True])
def test_labels_and_weights_of_the_set_are_those_of_its_items(paths, mirror):
    dataset = opened(paths, mirror=mirror, selection=SelectionConfig(back_repeat=3.0))
    assert torch.equal(dataset.labels, torch.stack([dataset[i].label for i in range(len(dataset))]))
    expected = np.where(np.abs(AZIMUTHS) >= 90, 3.0, 1.0)
    assert np.array_equal(dataset.weights, np.tile(expected, 2) if mirror else expected)


def test_the_spread_of_the_labels_is_that_of_all_of_them_as_they_are_stored(paths):
    dataset = opened(paths, mirror=True, selection=SelectionConfig(max_yaw_deg=60.0))
    assert torch.allclose(dataset.label_std, torch.from_numpy(labels_at(AZIMUTHS, 10.0).std(axis=0)), atol=1e-6)


def test_an_unlabelled_set_has_neither_labels_nor_a_spread(paths):
    dataset = opened(paths, use_labels=False, mirror=True)
    assert (dataset.labels, dataset.label_std, dataset[8].label) == (None, None, None)
    assert dataset[8].image.shape == (3, 8, 8)


def test_masks_may_be_missing_only_where_that_is_allowed(paths):
    with pytest.raises(DataError, match=r"img\.zip: comes without masks: name the set of masks \(seg_data\)"):
        open_dataset(DataConfig(img_data=str(paths[0])), seed=0)
    dataset = open_dataset(DataConfig(img_data=str(paths[0]), require_masks=False, mirror=True), seed=0)
    assert dataset[7].mask is None


@pytest.mark.parametrize("side", [5, 563])
def test_any_square_size_is_read(tmp_path, side):
    dataset = opened(make_set(tmp_path, 2, side=side))
    assert dataset.resolution == side
    assert dataset[1].image.shape == (3, side, side)


def test_pictures_that_are_not_square_are_refused(tmp_path):
    wide = encode_png(np.zeros((4, 6, 3), dtype=np.uint8))
    paths = make_set(tmp_path, 3, files={"img:" + name: wide for name in names_of(3)})
    with pytest.raises(DataError, match=r"img\.zip: its images are 6 x 4 pixels; all must be square"):
        opened(paths)


@pytest.mark.parametrize("odd", [0, 3])
def test_a_picture_of_another_size_is_named_even_if_it_is_the_first(tmp_path, odd):
    name = names_of(6)[odd]
    paths = make_set(tmp_path, 6, files={"img:" + name: encode_png(picture(0, 4))})
    dataset = opened(paths)
    assert dataset.resolution == 8
    with pytest.raises(DataError, match=rf"{name}: is 4 x 4 pixels, most others 8 x 8"):
        dataset[odd]


def test_a_mask_of_another_size_is_named(tmp_path):
    name = names_of(2)[1]
    dataset = opened(make_set(tmp_path, 2, files={"seg:" + name: encode_png(mask_of(0, 4))}))
    with pytest.raises(DataError, match=rf"{name}: is 8 x 8 pixels, but its mask 4 x 4"):
        dataset[1]


def test_a_set_of_nothing_but_damaged_pictures_is_refused(tmp_path):
    paths = make_set(tmp_path, 2, files={"img:" + name: b"junk" for name in names_of(2)})
    with pytest.raises(DataError, match=r"img00000000\.png: is not a PNG"):
        opened(paths)


def test_no_set_is_told_apart_from_a_wrong_one():
    with pytest.raises(DataError, match=r"set data\.img_data"):
        open_dataset(DataConfig(), seed=0)


def test_items_beyond_the_end_are_no_items(paths):
    dataset = opened(paths)
    for item in (-1, 6):
        with pytest.raises(IndexError):
            dataset[item]


def test_a_copy_in_another_process_takes_no_labels_along(paths):
    dataset = ImageDataset(open_index(*paths), mirrored=True)
    before = len(pickle.dumps(dataset))
    assert dataset.labels is not None
    assert len(pickle.dumps(dataset)) == before
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[9].image, dataset[9].image)
