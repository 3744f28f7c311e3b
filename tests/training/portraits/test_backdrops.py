# SPDX-License-Identifier: Apache-2.0
"""What is typed for a background, and what then stands behind a head."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnnlib.config_paths import replace
from tests.training.small import CONFIG, codes, labels, small_generator
from training.portraits.backdrops import (
    FromFile,
    OfSeed,
    Plain,
    check_backdrop,
    ground_of,
    parse_backdrop,
    put_before,
)
from training.portraits.kinds import show
from training.portraits.sitter import seat


def test_backgrounds_are_typed_as_seed_colour_or_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (4, 4)).save("sea.png")
    assert parse_backdrop("seed:12") == OfSeed(12)
    assert parse_backdrop("#ff8000") == Plain((255, 128, 0))
    assert parse_backdrop("sea.png") == FromFile(Path("sea.png"))


@pytest.mark.parametrize("text", ["#fff", "seed:", "seed:-1", "seed:x", "missing.png", "", "#gggggg", "."])
def test_what_is_no_background_is_told_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"seed:N .* #rrggbb .* file"):
        parse_backdrop(text)


def test_a_seed_beyond_all_seeds_is_told() -> None:
    with pytest.raises(ValueError, match="out of range"):
        parse_backdrop(f"seed:{2**32}")


def test_of_a_picture_the_middle_square_is_used_and_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8, 4), np.uint8)
    pixels[:, 2:6] = (10, 20, 30, 255)
    pixels[0, 2:6, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    ground = ground_of(FromFile(tmp_path / "a.png"), 4)
    assert (ground[0] == 255).all()
    assert (ground[1:] == (10, 20, 30)).all()


def test_a_head_before_a_colour_is_its_cut_out_over_it() -> None:
    G, c = small_generator(), labels(0.4, 1.0)
    sitter = seat(G, G.mapping(codes(1), c[:1]).detach())
    ground = ground_of(Plain((0, 200, 50)), G.img_resolution)
    (got,) = show(G, sitter, c, ("image", "background", "foreground"), ground=ground)
    assert (got["background"] == (0, 200, 50)).all()
    assert (got["image"] == put_before(got["foreground"], ground)).all()
    clear, full = got["foreground"][..., 3] == 0, got["foreground"][..., 3] == 255
    assert (got["image"][clear] == (0, 200, 50)).all()
    assert (got["image"][full] == got["foreground"][full][:, :3]).all()


def test_a_model_without_background_can_have_no_other() -> None:
    G = small_generator(replace(CONFIG, **{"background": False}))
    check_backdrop(G, None)
    for backdrop in (OfSeed(1), Plain((0, 0, 0))):
        with pytest.raises(ValueError, match="as one"):
            check_backdrop(G, backdrop)
