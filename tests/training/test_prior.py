# SPDX-License-Identifier: Apache-2.0
"""What is drawn for generated images: the same however a batch is split, and distributed as it should be."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.training.small import labels, small_generator
from training.prior import Draw, Prior, SecondCode, StyleInputs, styles

NUM_WS = 5
# The first number of a label says which one it is.
LABELS = torch.arange(8.0)[:, None].expand(8, 25).contiguous()
WEIGHTS = torch.tensor([0.3, 0, 2.2, 1, 1.5, 3, 0, 0], dtype=torch.float64)


def prior(**changes) -> Prior:
    arguments = {"z_dim": 6, "num_ws": NUM_WS, "labels": LABELS, "weights": WEIGHTS}
    return Prior(0, **{**arguments, "background_swap": 0.5, "style_mixing": 0.5, **changes})


def draw(
    prior: Prior, batch: int, part: slice = slice(None), *, start: int = 0, phase: str = "G", swap: float = 0.7
) -> Draw:
    indices = torch.arange(start, start + batch)[part]
    return prior.draw(phase, indices, batch_start=start, batch=batch, swap_probability=swap)


def tensors(value: object) -> list[Tensor]:
    """All tensors of a draw, in a fixed order."""
    if isinstance(value, Tensor):
        return [value]
    if value is None:
        return []
    return [x for field in dataclasses.fields(value) for x in tensors(getattr(value, field.name))]


# ----------------------------------------------------------------------------------------------------------------------
# Splits.


@settings(max_examples=25)
@given(
    batch=st.integers(1, 12),
    start=st.sampled_from([0, 32, 10**7, 2**40]),
    swap=st.sampled_from([0.0, 0.5, 1.0]),
    cuts=st.lists(st.integers(0, 12), max_size=3),
)
def test_parts_of_a_batch_are_drawn_as_they_are_in_the_whole(
    batch: int, start: int, swap: float, cuts: list[int]
) -> None:
    whole = tensors(draw(prior(), batch, start=start, swap=swap))
    assert len(whole) == 1 + 2 * 5
    edges = sorted({0, batch, *(min(cut, batch) for cut in cuts)})
    parts = [draw(prior(), batch, slice(a, b), start=start, swap=swap) for a, b in itertools.pairwise(edges)]
    for together, *apart in zip(whole, *(tensors(part) for part in parts), strict=True):
        assert torch.equal(together, torch.cat(apart))


def test_images_4_to_7_alone_are_what_they_are_among_0_to_7() -> None:
    whole, part = draw(prior(), 8), draw(prior(), 8, slice(4, 8))
    for together, alone in zip(tensors(whole), tensors(part), strict=True):
        assert torch.equal(together[4:], alone)


def test_phases_seeds_and_steps_share_nothing() -> None:
    variants = [draw(prior(), 8), draw(prior(), 8, phase="D"), draw(prior(), 8, start=8)]
    codes = torch.cat([z for d in variants for z in (d.styles.z, d.styles.second.z)])
    assert len(codes.unique(dim=0)) == 3 * 2 * 8
    many = [draw(prior(), 500), draw(prior(), 500, phase="D"), draw(prior(), 500, start=500)]
    for other in many[1:]:
        assert scipy.stats.spearmanr(many[0].c[:, 0], other.c[:, 0]).pvalue > 1e-4


# ----------------------------------------------------------------------------------------------------------------------
# Codes and cameras.


def test_codes_are_normal() -> None:
    drawn = draw(prior(), 3000)
    for z in (drawn.styles.z, drawn.styles.second.z, drawn.background.z):
        assert scipy.stats.kstest(z.double().flatten().numpy(), "norm").pvalue > 1e-4
    assert abs((drawn.styles.z * drawn.styles.second.z).mean()) < 5 / (3000 * 6) ** 0.5


def test_cameras_are_drawn_by_their_weights() -> None:
    counts = torch.bincount(draw(prior(), 4000).c[:, 0].long(), minlength=8)
    is_drawn = WEIGHTS > 0
    assert counts[~is_drawn].sum() == 0
    expected = WEIGHTS[is_drawn] / WEIGHTS.sum() * 4000
    assert scipy.stats.chisquare(counts[is_drawn].numpy(), expected.numpy()).pvalue > 1e-4


def test_an_image_without_a_label_lends_no_camera() -> None:
    labels = LABELS.clone()
    labels[5] = torch.nan
    drawn = draw(prior(labels=labels, weights=np.ones(8)), 500)
    assert drawn.c[:, 0].unique().tolist() == [0, 1, 2, 3, 4, 6, 7]
    with pytest.raises(ValueError, match=r"add labels to dataset\.json"):
        prior(labels=labels, weights=[0.0] * 5 + [1.0] + [0.0] * 2)


# ----------------------------------------------------------------------------------------------------------------------
# Swaps.

# So many labels that two images hardly share one.
MANY = {"labels": torch.arange(1e6)[:, None], "weights": torch.ones(10**6, dtype=torch.float64)}


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_styles_follow_from_another_camera_of_the_batch_as_often_as_asked_for(probability: float) -> None:
    drawn = draw(prior(**MANY), 2000, swap=probability)
    own, styled = drawn.c[:, 0], drawn.styles.c[:, 0]
    assert (styled != own).double().mean().item() == pytest.approx(probability, abs=0.04)
    assert torch.isin(styled, own).all()


def test_critics_are_told_and_pictures_are_rendered_under_cameras_that_swapping_does_not_touch() -> None:
    never, always = (draw(prior(**MANY), 64, swap=probability) for probability in (0.0, 1.0))
    assert torch.equal(never.c, always.c)
    assert torch.equal(never.styles.c, never.c)
    assert torch.equal(never.styles.z, always.styles.z)
    # All are shifted by the same places: everybody's camera is used once.
    assert torch.equal(always.styles.c.sort(dim=0).values, always.c.sort(dim=0).values)


@pytest.mark.parametrize("probability", [0.2, 1.0])
def test_backgrounds_have_all_the_styles_of_another_image(probability: float) -> None:
    batch = 1000
    drawn = draw(prior(**MANY, background_swap=probability), batch)
    # Whose code is it?
    owner = (drawn.background.z[:, None] == drawn.styles.z).all(dim=2).double().argmax(dim=1)
    assert torch.equal(drawn.background.z, drawn.styles.z[owner])
    assert torch.equal(drawn.background.c, drawn.styles.c[owner])
    assert torch.equal(drawn.background.second.z, drawn.styles.second.z[owner])
    assert torch.equal(drawn.background.second.crossover, drawn.styles.second.crossover[owner])
    is_swapped = owner != torch.arange(batch)
    assert is_swapped.double().mean().item() == pytest.approx(probability, abs=0.05)
    # The two swaps are independent of each other.
    is_other_camera = drawn.styles.c[:, 0] != drawn.c[:, 0]
    if probability < 1:
        table = (
            torch.stack([is_swapped, ~is_swapped]).double()
            @ torch.stack([is_other_camera, ~is_other_camera]).double().T
        )
        assert scipy.stats.chi2_contingency(table.numpy()).pvalue > 1e-4


def test_without_background_swap_and_mixing_there_is_nothing_to_compute() -> None:
    drawn = draw(prior(background_swap=0.0, style_mixing=0.0), 4)
    assert drawn.background is None
    assert drawn.styles.second is None


# ----------------------------------------------------------------------------------------------------------------------
# Style mixing.


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_crossovers_are_uniform_over_all_but_the_first_style(probability: float) -> None:
    second = draw(prior(**MANY, style_mixing=probability), 3000).styles.second
    is_mixed = second.crossover < NUM_WS
    assert is_mixed.double().mean().item() == pytest.approx(probability, abs=0.04)
    assert second.crossover.max() <= NUM_WS
    counts = torch.bincount(second.crossover[is_mixed], minlength=NUM_WS)
    assert counts[0] == 0
    assert scipy.stats.chisquare(counts[1:].numpy()).pvalue > 1e-4


def test_the_second_code_is_mapped_under_the_own_camera() -> None:
    drawn = draw(prior(**MANY), 100)
    assert torch.equal(drawn.styles.second.c, drawn.c)


def test_styles_change_from_the_first_code_to_the_second_at_the_crossover() -> None:
    def mapping(z: Tensor, c: Tensor) -> Tensor:
        return (z + c)[:, None].expand(-1, NUM_WS, -1)

    z, c, crossover = torch.zeros(3, 2), torch.ones(3, 2), torch.tensor([1, 4, NUM_WS])
    inputs = StyleInputs(z, c, SecondCode(z + 5, 2 * c, crossover))
    assert styles(mapping, inputs)[..., 0].tolist() == [[1, 7, 7, 7, 7], [1, 1, 1, 1, 7], [1, 1, 1, 1, 1]]
    assert styles(mapping, StyleInputs(z, c, None)).unique().tolist() == [1]


def test_a_swapped_background_has_the_styles_that_its_owner_has() -> None:
    G = small_generator()
    cameras = labels(*torch.linspace(-3, 3, 10).tolist())
    drawn = draw(prior(z_dim=8, num_ws=G.num_ws, labels=cameras, weights=torch.ones(10, dtype=torch.float64)), 6)
    ws, ws_background = styles(G.mapping, drawn.styles), styles(G.mapping, drawn.background)
    owner = torch.cdist(ws_background.flatten(1), ws.flatten(1)).argmin(dim=1)
    assert torch.allclose(ws_background, ws[owner], atol=1e-6)
    assert 0 < (owner != torch.arange(6)).sum() < 6


def test_both_codes_get_the_gradient_of_their_styles() -> None:
    def mapping(z: Tensor, c: Tensor) -> Tensor:
        return (z * c)[:, None].expand(-1, NUM_WS, -1)

    z, second_z = torch.ones(1, 2, requires_grad=True), torch.ones(1, 2, requires_grad=True)
    c = torch.full((1, 2), 3.0)
    styles(mapping, StyleInputs(z, c, SecondCode(second_z, c, torch.tensor([2])))).sum().backward()
    assert z.grad.tolist() == [[6, 6]]
    assert second_z.grad.tolist() == [[9, 9]]


def test_a_generator_of_one_style_cannot_mix() -> None:
    with pytest.raises(ValueError, match=r"set loss\.style_mixing to 0"):
        prior(num_ws=1)
    prior(num_ws=1, style_mixing=0.0)


# ----------------------------------------------------------------------------------------------------------------------


def test_an_image_alone_keeps_everything_of_its_own() -> None:
    drawn = draw(prior(background_swap=1.0), 1, swap=1.0)
    assert torch.equal(drawn.styles.c, drawn.c)
    assert torch.equal(drawn.background.z, drawn.styles.z)


def test_a_draw_moves_as_a_whole_and_crossovers_stay_whole_numbers() -> None:
    drawn = draw(prior(), 4)
    moved = drawn.to("cpu", torch.float64)
    for before, after in zip(tensors(drawn), tensors(moved), strict=True):
        assert after.dtype == (torch.float64 if before.is_floating_point() else torch.int64)
        assert torch.equal(before.double(), after.double())
    assert all(x.device.type == "meta" for x in tensors(drawn.to("meta")))
