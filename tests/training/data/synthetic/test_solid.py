# SPDX-License-Identifier: Apache-2.0
"""The words that solids are written in: what they put into the table, and mistakes; what rows do is elsewhere."""

import math

import pytest
import torch

from torch_utils.ops.distance_field import NUM_COLUMNS, Join, Kind, Row, reference
from training.data.synthetic.solid import (
    Solid,
    box,
    capsule,
    disc,
    ellipsoid,
    half_space,
    round_cone,
    sphere,
    torus_arc,
)


def rows_of(solid):
    return [Row.from_numbers(numbers) for numbers in solid.table().tolist()]


def test_rows_stand_in_the_order_they_are_written_and_name_their_layer():
    solid = Solid()
    skin = solid.layer("skin")
    hair = solid.layer("hair", visible=False)
    skin.add(sphere((1, 2, 3), 0.5))
    hair.add(skin.inflated(0.25)).cut(skin, blend=0.125)
    skin.keep(half_space((0, 0, 0), (0, 1, 0)), 0.5).inflate(0.5).shell(0.25).waves(1.0, (1, 2, 3))
    rows = rows_of(solid)
    assert solid.layer_names == ["skin", "hair"]
    assert [(row.kind, row.layer) for row in rows] == [
        (Kind.LAYER, 0),
        (Kind.LAYER, 1),
        (Kind.ROUND_CONE, 0),
        (Kind.VALUE, 1),
        (Kind.VALUE, 1),
        (Kind.HALF_SPACE, 0),
        (Kind.INFLATE, 0),
        (Kind.SHELL, 0),
        (Kind.WAVES, 0),
    ]
    assert [row.join for row in rows[2:6]] == [Join.ADD, Join.ADD, Join.CUT, Join.KEEP]
    assert [row.blend for row in rows[2:6]] == [0, 0, 0.125, 0.5]
    assert [row.parameters[0] for row in rows[:2]] == [1, 0]
    assert rows[2].centre == (1, 2, 3)
    assert rows[3].parameters[:2] == (0, 0.25)
    assert rows[8].slope == 3


def test_a_row_is_read_as_it_was_written():
    row = Row(Kind.BOX, 3, Join.CUT, 0.5, 1.0, 2.0, (1.0, 2.0, 3.0), tuple(map(float, range(9))), (4.0,) * 7)
    assert len(row.numbers()) == NUM_COLUMNS
    assert Row.from_numbers(row.numbers()) == row


def test_an_operand_may_be_used_again():
    shape = ellipsoid((0.1, 0, 0), (0.1, 0.2, 0.1))
    solid = Solid()
    solid.layer("one").add(shape)
    solid.layer("other").add(shape, blend=0.1)
    rows = rows_of(solid)
    assert rows[1]._replace(layer=1, blend=rows[3].blend) == rows[3]


def test_waves_of_frequency_zero_take_no_part():
    solid = Solid()
    solid.layer("a").add(sphere((0, 0, 0), 0.5)).waves(0.1, (0, 8, 0))
    points = torch.tensor([[0.7, math.pi / 16, 0.1], [-0.3, math.pi / 16, 0.4]])
    values = reference(points, solid.table())[0]
    expected = points.norm(dim=1) - 0.5 + 0.1 * math.cos(8 * math.pi / 16)
    torch.testing.assert_close(values, expected)


@pytest.mark.parametrize(
    ("mistake", "complaint"),
    [
        (lambda s, a: s.layer("skin"), "has a layer 'skin' already"),
        (lambda s, a: a.add(sphere((0, 0, 0), 1.0), blend=-0.1), "at least 0, not -0.1"),
        (lambda s, a: a.shell(0.0), "thickness above 0, not 0.0"),
        (lambda s, a: a.waves(1.0, (1, 2)), "frequency is three finite numbers"),
        (lambda s, a: ellipsoid((0, 0, 0), (1, 0, 1)), "radii of an ellipsoid are above 0"),
        (lambda s, a: ellipsoid((0, 0, math.nan), (1, 1, 1)), "centre is three finite numbers"),
        (lambda s, a: ellipsoid((0, 0, 0), (1, 1, 1), [[1, 0, 0], [0, 1, 0], [0, 0, -1]]), "is a rotation"),
        (lambda s, a: ellipsoid((0, 0, 0), (1, 1, 1), [[1, 0, 0], [0, 2, 0], [0, 0, 1]]), "is a rotation"),
        (lambda s, a: round_cone((0, 0, 0), (1, 0, 0), 0.1, 0.0), "Radii are above 0, not 0.1 and 0.0"),
        (lambda s, a: capsule((0, 0, 0), (1, 0, 0), -0.1), "Radii are above 0"),
        (lambda s, a: box((0, 0, 0), (1, -1, 1)), "half sizes of a box are above 0"),
        (lambda s, a: box((0, 0, 0), (1, 0.2, 1), round=0.3), "between 0 and the least half size, not at 0.3"),
        (lambda s, a: torus_arc((0, 0, 0), 0.1, 0.0), "above 0, not 0.1 and 0.0"),
        (lambda s, a: torus_arc((0, 0, 0), 0.1, 0.1, 4.0), "between 0 and pi, not at 4.0"),
        (lambda s, a: disc((0, 0, 0), 0.1, 0.2, round=0.15), "between 0 and 0.1"),
        (lambda s, a: half_space((0, 0, 0), (0, 0, 0)), "normal of a half space has a length"),
    ],
)
def test_mistakes_are_named(mistake, complaint):
    solid = Solid()
    skin = solid.layer("skin")
    with pytest.raises(ValueError, match=complaint):
        mistake(solid, skin)


def test_a_solid_of_hidden_layers_is_refused():
    solid = Solid()
    solid.layer("ghost", visible=False)
    with pytest.raises(ValueError, match="no visible layer"):
        solid.table()
