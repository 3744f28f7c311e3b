# SPDX-License-Identifier: Apache-2.0
"""Contact sheets show every picture in its place; lines and text land where they are asked to."""

import numpy as np
import pytest

from dnnlib.drawing import (
    ALARM,
    INK,
    PAPER,
    Box,
    Canvas,
    as_rgb,
    contact_sheet,
    fitted,
    fitted_text,
    joined,
    printable,
    text_width,
    wrapped,
)


def flat(height: int, width: int, color: tuple[int, ...]) -> np.ndarray:
    return np.full((height, width, len(color)), color, dtype=np.uint8)


def test_every_picture_of_a_sheet_stands_in_its_own_cell_in_reading_order() -> None:
    colors = [(10 * i, 255 - 10 * i, 7 * i) for i in range(7)]
    sheet = contact_sheet([flat(16, 16, color) for color in colors], columns=3)
    firsts = {color: np.argwhere((sheet == color).all(-1)).min(0).tolist() for color in colors}
    assert sorted(colors, key=lambda color: firsts[color]) == colors
    assert all((sheet == color).all(-1).sum() == 16 * 16 for color in colors)


def test_the_largest_picture_sets_the_cell_and_others_are_fitted_with_their_shape_kept() -> None:
    sheet = contact_sheet([flat(40, 40, (0, 0, 0)), flat(10, 20, (255, 0, 0))], columns=2)
    rows, columns = np.nonzero((sheet == (255, 0, 0)).all(-1))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 40)


def test_large_pictures_are_reduced_to_a_sheet_that_can_be_looked_at() -> None:
    assert contact_sheet([flat(2000, 1000, (1, 2, 3))]).shape[0] < 300


@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_grey_colour_and_alpha_go_together(channels: int) -> None:
    picture = np.full((8, 8, channels) if channels else (8, 8), 90, dtype=np.uint8)
    sheet = contact_sheet([picture, flat(8, 8, (1, 2, 3))])
    assert sheet.ndim == 3
    assert sheet.shape[2] == 3
    assert sheet.dtype == np.uint8


def test_what_is_transparent_shows_a_ground_and_what_is_opaque_does_not() -> None:
    picture = flat(32, 32, (255, 0, 0, 0))
    picture[:16, :, 3] = 255
    shown = as_rgb(picture)
    assert (shown[:16] == (255, 0, 0)).all()
    assert len(np.unique(shown[16:].reshape(-1, 3), axis=0)) == 2  # A chequered ground.
    assert (shown[16:, :, 0] == shown[16:, :, 2]).all()


def test_labels_and_a_title_make_the_sheet_higher_and_are_seen() -> None:
    pictures = [flat(64, 64, PAPER)] * 2
    plain, labelled = contact_sheet(pictures), contact_sheet(pictures, labels=["left", "right"], title="two")
    assert (plain == PAPER).all()
    assert labelled.shape[0] > plain.shape[0]
    assert labelled.shape[1] == plain.shape[1]
    assert (labelled < 128).any()


def test_a_long_label_stays_in_its_cell_and_keeps_both_ends() -> None:
    name = "00000/a_very_long_name_of_a_picture_00000017.png"
    shown = fitted_text(name, 100, 12)
    assert text_width(shown, 12) <= 100
    assert shown[:3] == name[:3]
    assert shown[-4:] == ".png"
    assert fitted_text("short", 100, 12) == "short"


def test_no_pictures_and_a_wrong_number_of_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="1 pictures and 2 labels"):
        contact_sheet([flat(8, 8, INK)], labels=["a", "b"])
    with pytest.raises(ValueError, match="not 2"):
        as_rgb(flat(8, 8, (1, 2)))


def test_fitting_to_the_same_size_changes_nothing() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    assert fitted(picture, 20) is picture
    assert fitted(picture[..., :1], 10).shape[:2] == (6, 10)


def test_joined_pictures_stand_side_by_side_or_below_each_other() -> None:
    a, b = flat(4, 6, (1, 1, 1)), flat(2, 3, (2, 2, 2))
    beside, below = joined([a, b], gap=5), joined([a, b], vertical=True, gap=5)
    assert beside.shape == (4, 6 + 5 + 3, 3)
    assert below.shape == (4 + 5 + 2, 6, 3)
    assert (beside[:2, 11:] == 2).all()
    assert (below[9:, :3] == 2).all()
    assert (beside[2:, 11:] == PAPER).all()


def test_a_canvas_draws_where_it_is_asked_to() -> None:
    canvas = Canvas(60, 40)
    canvas.rectangle(Box(10, 5, 30, 15), fill=ALARM)
    canvas.disc((50, 30), 5, fill=INK)
    picture = canvas.picture()
    assert picture.shape == (40, 60, 3)
    assert (picture[6:14, 11:29] == ALARM).all()
    assert (picture[30, 50] == INK).all()
    assert (picture[:4] == PAPER).all()


def test_slanted_lines_are_smooth() -> None:
    canvas = Canvas(50, 50)
    canvas.line([(2, 2), (47, 20)], INK)
    assert len(np.unique(canvas.picture()[..., 0])) > 4


def test_half_transparent_areas_mix_with_what_is_below() -> None:
    canvas = Canvas(9, 9, paper=(200, 200, 200))
    canvas.rectangle(Box(0, 0, 9, 9), fill=(0, 0, 0), alpha=0.5)
    assert np.abs(canvas.picture()[4, 4].astype(int) - 100).max() <= 2


def test_a_pasted_picture_keeps_its_pixels() -> None:
    canvas = Canvas(30, 20)
    picture = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    canvas.paste(picture, 5, 7)
    np.testing.assert_array_equal(canvas.picture()[7:15, 5:17], picture)


def test_names_in_any_script_are_shown_in_letters_that_the_font_has() -> None:
    assert printable("Größe_01.png") == "Grosse_01.png"
    assert printable("头 45°") == "? 45°"


def test_long_texts_are_broken_at_spaces_and_keep_every_word() -> None:
    text = "one two three four five six\nseven"
    lines = wrapped(text, 60, 12)
    assert " ".join(lines).split() == text.split()
    assert all(text_width(line, 12) <= 60 for line in lines)
    assert lines[-1] == "seven"
    assert len(wrapped("x" * 500, 60, 12)) == 1
