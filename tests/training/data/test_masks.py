# SPDX-License-Identifier: Apache-2.0
"""Masks are joined to images by path stem."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.masks import match_masks, stem
from training.data.problems import DataError

STEMS = st.lists(st.from_regex(r"([a-z0]{1,3}/)?[a-z.]{0,3}[a-z]", fullmatch=True), unique=True, max_size=20)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b.png", "a/b"), ("a.b/c", "a.b/c"), ("a.b.png", "a.b"), (".hidden", ".hidden"), ("a/.b", "a/.b"), ("", "")],
)
def test_a_stem_is_the_path_without_its_last_extension(name, expected):
    assert stem(name) == expected


@given(stems=STEMS, seed=st.integers(0, 99))
def test_every_image_finds_its_mask_and_only_that(stems, seed):
    generator = random.Random(seed)
    images = [f"{name}.jpg" for name in stems]
    masks = [f"{name}.png" for name in stems if generator.random() < 0.7] + ["other/one.png"]
    generator.shuffle(masks)
    found = match_masks(images, masks)
    for image, place in zip(images, found.tolist(), strict=True):
        wanted = image.removesuffix(".jpg") + ".png"
        assert (place == -1) == (wanted not in masks)
        assert place == -1 or masks[place] == wanted


def test_upper_and_lower_case_count():
    assert match_masks(["a/B.png"], ["a/b.png"]).tolist() == [-1]


def test_masks_that_could_both_be_meant_are_refused():
    with pytest.raises(DataError, match=r"a/b\.png and a/b\.jpg: two masks of one name"):
        match_masks([], ["a/b.png", "a/b.jpg"])


def test_images_that_could_both_claim_a_mask_are_refused():
    with pytest.raises(DataError, match=r"a/b\.jpg and a/b\.png: two images of one name"):
        match_masks(["a/b.jpg", "a/b.png"], ["a/b.png"])
    assert match_masks(["a/b.jpg", "a/b.png"], ["c.png"]).tolist() == [-1, -1]
