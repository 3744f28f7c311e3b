# SPDX-License-Identifier: Apache-2.0
import pytest

from metrics.names import KINDS, needs_file, parse, parse_list


@pytest.mark.parametrize(
    ("name", "kind", "count", "is_full", "detector"),
    [
        ("fid50k_full", "fid", 50_000, True, "inception"),
        ("kid50k_full", "kid", 50_000, True, "inception"),
        ("pr50k3_full", "pr", 50_000, True, "vgg16"),
        ("pr500_thumbs", "pr", 500, False, "thumbs"),
        ("is50k", "is", 50_000, False, "classes"),
        ("is200_headnethair", "is", 200, False, "headnethair"),
        ("fid2k", "fid", 2_000, False, "inception"),
        ("ppl2_wend", "ppl2_wend", 50_000, False, "lpips"),
        ("ppl2_wend200_headnet", "ppl2_wend", 200, False, "headnet"),
        ("fd100_headnet", "fd", 100, False, "headnet"),
        ("kd3k_full_dino2", "kd", 3_000, True, "dino2"),
        ("id", "id", 500, False, "face"),
        ("maskmse16", "maskmse", 16, False, "segmentation"),
        ("depth", "depth", 64, False, None),
        ("yaw", "yaw", 500, False, "headnetyaw"),
    ],
)
def test_a_name_is_kind_count_full_detector(
    name: str, kind: str, count: int, is_full: bool, detector: str | None
) -> None:
    wanted = parse(name)
    assert (wanted.kind, wanted.count, wanted.is_full, wanted.detector) == (kind, count, is_full, detector)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fid50k_headnet", "write fd50k_headnet"),
        ("fd500", "fd500_headnet"),
        ("fd_thumbs", "fd500_thumbs"),
        ("fd0_thumbs", "0 pictures"),
        ("fd1_thumbs", "1 pictures"),
        ("fd99999999999_thumbs", "pictures say nothing"),
        ("fd500k3_thumbs", "neighbours"),
        ("is50k_full", "no _full"),
        ("depth64_headnet", "leave _headnet out"),
        ("eqt50k_int", "StyleGAN3"),
        ("fird50k", "Did you mean fid"),
        ("", "fd1k_thumbs"),
        ("FID50k", "there is no metric"),
        ("kd3_thumbs", "3 pictures say nothing; take 4"),
        ("fdbins3_thumbs", "take 4"),
        ("pr3_thumbs", "take 4"),
        ("is9", "take 10"),
        ("yaw_thumbs", "thumbs does not tell that; headnetyaw does"),
        ("yaw_own", "leave _own out"),
        ("id_thumbs", "headnet does"),
        ("maskmse_headnetyaw", "headnet does"),
        ("is50k_headnet", "headnethair does"),
        ("ppl2_wend_headnetyaw", "thumbs or headnet"),
    ],
)
def test_what_is_no_metric_is_refused_with_a_remedy(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(name)


def test_lists_have_commas_and_no_twins() -> None:
    assert [each.name for each in parse_list("id, depth,,id")] == ["id", "depth"]
    with pytest.raises(ValueError, match="no metric is named"):
        parse_list(" ,")


def test_only_what_has_its_own_detector_needs_no_file() -> None:
    assert [needs_file(parse(name)) for name in ("fid1k", "is1k", "ppl2_wend", "fd1k_dino")] == [True] * 4
    assert not any(
        needs_file(parse(name))
        for name in ("fd1k_headnet", "id", "maskmse", "depth", "fd1k_thumbs", "is1k_headnethair")
    )


def test_every_kind_is_measured() -> None:
    from metrics.measures import _MEASURES  # noqa: PLC0415
    from metrics.names import OF_INCEPTION  # noqa: PLC0415

    assert {OF_INCEPTION.get(kind, kind) for kind in KINDS} == set(_MEASURES)
