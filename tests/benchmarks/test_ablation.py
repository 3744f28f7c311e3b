# SPDX-License-Identifier: Apache-2.0
"""The ablation: variants, what is done once, what is measured against the truth, the table, and all of it once."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks import ablation, harness
from benchmarks.ablations import budgets, curves, page, runs
from benchmarks.ablations.ablating import Ablation, do
from benchmarks.ablations.drift import across, correlation, sought_camera
from benchmarks.ablations.folder import AblationFolder, Part
from benchmarks.ablations.heldout import drifted_backs, level_label, views_at
from benchmarks.ablations.measures import flat, parts
from benchmarks.ablations.table import Row, cell, table
from benchmarks.ablations.truth import compared, steps_of_all
from benchmarks.ablations.variants import VARIANTS, shared, variant
from benchmarks.scale_chart import COLORS
from configs import resolve
from dnnlib.config import from_tree, to_tree
from dnnlib.config_paths import differences, replace
from metrics.geometry.truth import recovered_share
from tests.training.small import codes, small_generator
from training.builder import build_generator
from training.cameras import camera_from_label, label_from_camera, translate
from training.inversion.mean_styles import mean_styles
from training.inversion.targets import Targets
from training.portraits.latents import Latent
from training.run_config import RunConfig

PRESETS = ["panohead_debug", "panohead_small", "panohead_small_128", "panohead"]


def base(cfg: str, nimg: int = 1000) -> RunConfig:
    return shared(resolve(cfg), img_data="i.zip", seg_data="s.zip", nimg=nimg, device="cpu", metric="fd32_thumbs")


@pytest.mark.parametrize("cfg", PRESETS)
@pytest.mark.parametrize("key", VARIANTS)
def test_a_variant_differs_from_the_preset_in_the_fields_it_names_and_in_no_other(cfg: str, key: str) -> None:
    changed = [path for path, *_ in differences(base(cfg), variant(base(cfg), key, seed=0))]
    changed.remove("name")
    named = VARIANTS[key].changes
    assert all(any(path == name or path.startswith(f"{name}.") for name in named) for path in changed)
    assert all(any(path == name or path.startswith(f"{name}.") for path in changed) for name in named)


def test_every_variant_adds_one_idea_to_the_one_before() -> None:
    changes = [set(each.changes) for each in VARIANTS.values()]
    assert changes[-1] == set()
    assert all(after < before for before, after in itertools.pairwise(changes))


def test_tri_planes_are_sampled_in_two_dimensions() -> None:
    fields = {key: build_generator(variant(base("panohead_debug"), key, 0).generator).field for key in VARIANTS}
    assert {key: (field.planar, field.depth) for key, field in fields.items()} == {
        "planes": (True, 1),
        "masks": (True, 1),
        "grid": (False, 3),
        "adaptation": (False, 3),
    }


@pytest.mark.parametrize("nimg", [64, 1000, 10_000_000])
def test_ramps_end_before_the_run_and_never_grow(nimg: int) -> None:
    before, after = resolve("panohead_small"), base("panohead_small", nimg)
    for name in ("blur_nimg", "density_noise_nimg", "swap_nimg"):
        assert getattr(after.schedule, name) <= min(nimg / 2, getattr(before.schedule, name))
    assert after.loop.total_nimg == nimg


# What is done once.


def recorded_parts(done: set[str], tried: list[str], dies_at: str | None = None) -> list[Part]:
    def part(name: str) -> Part:
        def work() -> None:
            tried.append(name)
            if name == dies_at:
                raise KeyboardInterrupt
            done.add(name)

        return Part("kind", name, lambda: name in done, work)

    return [part(name) for name in "abcd"]


def test_an_ablation_that_was_killed_does_only_what_is_left() -> None:
    done: set[str] = set()
    tried: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        do(recorded_parts(done, tried, dies_at="c"))
    do(recorded_parts(done, tried))
    assert tried == ["a", "b", "c", "c", "d"]
    do(recorded_parts(done, tried))
    assert len(tried) == 5


def test_how_long_is_left_follows_from_parts_of_the_same_kind(caplog: pytest.LogCaptureFixture) -> None:
    times = iter(range(0, 80, 10))
    caplog.set_level("INFO")
    do(recorded_parts(set(), []), clock=lambda: float(next(times)))
    told = [line.partition(", ")[2] for line in caplog.messages]
    assert told == ["", "30s left", "20s left", "10s left"]


def test_a_folder_belongs_to_one_budget(tmp_path: Path) -> None:
    folder, budget, config = AblationFolder(tmp_path / "work"), budgets.BUDGETS["minutes"], base("panohead_small")
    folder.claim(budget, config)
    folder.claim(budget, config)
    with pytest.raises(ValueError, match=r"kimg 1 -> 2.*--workdir, or delete"):
        folder.claim(dataclasses.replace(budget, kimg=2), config)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ValueError, match="not empty"):
        AblationFolder(tmp_path).claim(budget, config)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("generator.field.noise", True, r"\(config.generator.field.noise False -> True\)"),
        ("device", "cuda", r"\(config.device cpu -> cuda\)"),
        ("generator.shift", None, r"config.generator.shift.*\(absent\)"),
    ],
)
def test_a_folder_belongs_to_what_the_preset_was(tmp_path: Path, path: str, value: object, says: str) -> None:
    """A preset may change under its name; without a word an ablation would go on with the new one."""
    folder, budget, config = AblationFolder(tmp_path / "work"), budgets.BUDGETS["minutes"], base("panohead_small")
    folder.claim(budget, config)
    with pytest.raises(ValueError, match=says):
        folder.claim(budget, replace(config, **{path: value}))


def test_a_folder_belongs_to_what_the_variants_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, budget, config = AblationFolder(tmp_path / "work"), budgets.BUDGETS["minutes"], base("panohead_small")
    folder.claim(budget, config)
    changed = VARIANTS["planes"].changes | {"generator.field.depth": 2}
    monkeypatch.setitem(VARIANTS, "planes", VARIANTS["planes"]._replace(changes=changed))
    with pytest.raises(ValueError, match=r"\(variants.planes.generator.field.depth 1 -> 2\)"):
        folder.claim(budget, config)


def test_a_folder_may_be_moved_and_get_more_seeds(tmp_path: Path) -> None:
    budget = budgets.BUDGETS["minutes"]

    def claim(name: str, seeds: int) -> None:
        work = Ablation(AblationFolder(tmp_path / name), budget, seeds, torch.device("cpu"), 1)
        work.folder.claim(budget, work.base)

    claim("a", seeds=2)
    (tmp_path / "a").rename(tmp_path / "b")
    claim("b", seeds=3)


def test_parts_that_are_there_are_done(tmp_path: Path) -> None:
    budget = dataclasses.replace(budgets.BUDGETS["minutes"], cfg="panohead_debug")
    work = Ablation(AblationFolder(tmp_path), budget, 2, torch.device("cpu"), 1)
    all_parts = list(work.parts())
    assert not any(part.is_done() for part in all_parts)
    path = work.folder.measured("grid", 1, "back")
    path.parent.mkdir(parents=True)
    path.write_text('{"fd_headnet": 3.0}')
    assert [part.name for part in all_parts if part.is_done()] == ["grid, seed 1: back"]
    assert work.record()["networks"]["grid"]["1"] == {"back": {"fd_headnet": 3.0}}
    run = work.folder.run("grid", 1)
    run.path.mkdir()
    for nimg in (500, 1000):
        run.networks(nimg).touch()
        run.state(nimg).touch()
        is_last = nimg == budget.nimg
        assert ("grid, seed 1: training" in [part.name for part in all_parts if part.is_done()]) is is_last


def test_a_training_that_stopped_early_is_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_call", lambda command, arguments: None)
    with pytest.raises(runs.StoppedError):
        runs.train(AblationFolder(tmp_path).run("grid", 0), base("panohead_debug"), 1)


# Against the truth.


def test_held_out_heads_are_where_their_labels_say_and_drifted_ones_are_not() -> None:
    views = views_at([0.0, 180.0], 32)
    assert views.images.shape == (2, 3, 32, 32)
    assert 0.1 < views.masks.mean() < 0.9
    assert (views.depth.isfinite() == (views.masks > 0.5)).float().mean() > 0.9
    backs = drifted_backs(3, 32, drift=0.05)
    told, true = (camera_from_label(labels) for labels in (backs.targets.labels, backs.cameras))
    torch.testing.assert_close(true.position - told.position, backs.drift_world, atol=1e-5, rtol=0)
    assert (told.position[:, 2] < 0).all()
    assert 0 < backs.drift_world.norm(dim=1).min() < 0.05


def test_a_shift_along_the_view_does_not_count() -> None:
    label = level_label(30.0)[None]
    camera = camera_from_label(label)
    assert across(camera.forward, camera.R_world_cam).abs().max() < 1e-6
    right = camera.R_world_cam[:, :, 0]
    torch.testing.assert_close(across(0.1 * right, camera.R_world_cam), torch.tensor([[0.1, 0.0]]), atol=1e-6, rtol=0)


def test_a_constant_shift_has_no_correlation() -> None:
    drift = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert correlation(torch.zeros(5, 2), drift) is None
    assert correlation(2 * drift, drift) == pytest.approx(1)


def test_the_shift_of_a_camera_is_found_again() -> None:
    G = small_generator().requires_grad_(False)
    labels = torch.stack([level_label(azimuth) for azimuth in (160.0, 200.0)])
    drift = torch.tensor([[0.03, 0.02, 0.0], [-0.02, 0.03, 0.0]])
    true = label_from_camera(translate(camera_from_label(labels), drift))
    ws = mean_styles(G).w.expand(2, G.num_ws, -1)
    targets = Targets(("a", "b"), (0, 1), G.synthesis(ws, true)["image"], None, labels)
    R_world_cam = camera_from_label(labels).R_world_cam
    shift, drift = (across(x, R_world_cam) for x in (sought_camera(G, targets, 60), drift))
    assert correlation(shift, drift) > 0.95
    assert recovered_share(shift, drift) > 0.2  # Pictures of these weights have little contrast.


def test_every_head_of_an_inversion_takes_part_in_as_many_steps() -> None:
    assert [steps_of_all(60, count) for count in (1, 4, 8, 32)] == [60, 60, 120, 480]


def test_what_shows_no_head_has_no_error() -> None:
    G = small_generator()
    ws = G.mapping(codes(1), level_label(0.0)[None])
    truth = views_at([0.0], 8)
    with torch.no_grad():
        values = compared(G, Latent(ws, truth.labels, None), truth._replace(masks=torch.zeros_like(truth.masks)))
    assert values["relief"] is None
    assert values["mask_iou"] is not None


# Table and page.

BUDGET = budgets.BUDGETS["minutes"]


def record_of(**networks: dict) -> dict:
    return {
        "budget": BUDGET.facts(),
        "commits": ["0"],
        "milliseconds": {"planes": 10.0, "grid": 15.0},
        "networks": networks,
    }


def test_a_cell_is_mean_and_deviation_over_seeds() -> None:
    row = Row("", "", "", 1, 10.0)
    assert cell([1.0, 3.0], row, seeds=2) == f"20.0 ± {np.std([10, 30], ddof=1):.1f}"
    assert cell([1.0], row, seeds=1) == "10.0"
    assert cell([], row, seeds=2) == "–"


def test_a_cell_of_fewer_seeds_says_so() -> None:
    row = Row("", "", "", 1)
    assert cell([1.0], row, seeds=2) == "1.0 (1 of 2 seeds)"
    assert cell([1.0, 1.0], row, seeds=3) == "1.0 ± 0.0 (2 of 3 seeds)"


def test_the_table_has_what_was_measured() -> None:
    seeds = {"0": {"back": {"fd_headnet": 4.0}, "random": {"id": None}}, "1": {"back": {"fd_headnet": 6.0}}}
    made = table(record_of(planes=seeds, grid={"0": {"back": {"fd_headnet": 2.5}}}))
    lines = made.splitlines()
    assert lines[0] == f"| | {VARIANTS['planes'].title} | {VARIANTS['grid'].title} |"
    assert lines[2:] == [
        "| fd200_headnet, back ↓ | 5.0 ± 1.4 | 2.5 (1 of 2 seeds) |",
        "| ID ↑ | – | – |",
        "| time of a picture, to that of the first | 1.0 | 1.5 |",
    ]


def test_parts_of_a_metric_stand_behind_a_slash() -> None:
    assert flat({"id": {"value": 0.5, "parts": {"strangers": 0.2}}}) == {"id": 0.5, "id/strangers": 0.2}


def test_masks_are_measured_only_where_opacity_is_the_head() -> None:
    assert [key for key, each in VARIANTS.items() if not each.has_mask] == ["planes"]
    assert set(parts(BUDGET, VARIANTS["planes"], torch.device("cpu"))) == set(
        parts(BUDGET, VARIANTS["grid"], torch.device("cpu"))
    )


def test_a_curve_is_the_mean_of_seeds_where_all_have_one() -> None:
    seeds = {"0": [[500, 4.0], [1000, 2.0]], "1": [[500, 6.0]]}
    record = record_of() | {"curves": {"planes": seeds, "grid": {"0": [[500, 3.0]]}, "masks": {}}}
    assert curves.means(record) == {"planes": [(0.5, 5.0)], "grid": [(0.5, 3.0)]}


def test_a_chart_has_a_line_of_its_own_colour_for_each_variant() -> None:
    lines = {key: {"0": [[500, 4.0 + i], [1000, 2.0 + i]]} for i, key in enumerate(VARIANTS)}
    picture = curves.chart(record_of() | {"curves": lines}, "fd32_thumbs")
    assert all((picture == color).all(-1).sum() > 100 for color in COLORS)


@pytest.mark.parametrize("budget", budgets.BUDGETS.values())
def test_every_budget_has_curves_and_enough_views_for_a_correlation(budget: budgets.Budget) -> None:
    loop = base(budget.cfg, budget.nimg).loop
    assert loop.total_nimg / loop.snapshot_nimg >= 8
    assert 2 * budget.drifted >= 32


@pytest.mark.parametrize(("kimg", "seeds", "claims"), [(1, 3, False), (5000, 2, False), (5000, 3, True)])
def test_short_runs_and_few_seeds_claim_no_ordering(kimg: float, seeds: int, claims: bool) -> None:
    record = record_of(planes={str(seed): {} for seed in range(seeds)})
    record["budget"]["kimg"] = kimg
    facts = {"device": "a machine", "torch": "2"}
    assert ("No ordering" not in page.section(record, facts)) is claims


def test_a_page_without_a_place_is_told_before_any_work(tmp_path: Path) -> None:
    result = CliRunner().invoke(ablation.main, ["--kimg", "0", "--workdir", str(tmp_path)])
    assert result.exit_code == 2
    with pytest.raises(ValueError, match="ablation-cpu"):
        page.check("cpu", tmp_path)
    page.check("cpu")
    page.check("cuda")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_ablation_from_data_to_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    docs = tmp_path / "docs"
    (docs / "images").mkdir(parents=True)
    (docs / "results.md").write_text("<!-- ablation-cpu -->\n<!-- /ablation-cpu -->\n")
    small = dataclasses.replace(
        BUDGET,
        images=40,
        pictures=10,
        heads=2,
        inverted=2,
        drifted=2,
        curve_pictures=4,
        search_steps=2,
        timing_rounds=1,
        cfg=str(tmp_path / "c.json"),
    )
    monkeypatch.setitem(budgets.BUDGETS, "minutes", small)
    tree = to_tree(resolve("panohead_debug"))
    tree["data"]["workers"] = 0
    (tmp_path / "c.json").write_text(json.dumps(to_tree(from_tree(RunConfig, tree, "test"))))
    command = ["--kimg", "0.008", "--seeds", "1", "--workdir", str(tmp_path / "work"), "--device", "cpu"]
    result = CliRunner().invoke(ablation.main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "fd10_headnet, back, to the truth" in result.output
    work = Ablation(
        AblationFolder(tmp_path / "work"), dataclasses.replace(small, kimg=0.008), 1, torch.device("cpu"), 1
    )
    assert all(part.is_done() for part in work.parts())
    record = work.record()
    shown = record["networks"]
    assert {key: set(seeds["0"]) for key, seeds in shown.items()} == {
        key: set(parts(small, each, torch.device("cpu"))) for key, each in VARIANTS.items()
    }
    assert "maskmse" not in shown["planes"]["0"]["random"]
    assert shown["grid"]["0"]["random"]["shift"] == 0
    assert "shift recovered" in shown["adaptation"]["0"]["drift"]
    assert 1 <= shown["planes"]["0"]["back"]["is_headnethair"] <= 8
    assert {key: [nimg for nimg, _ in seeds["0"]] for key, seeds in record["curves"].items()} == {
        key: [4, 8] for key in VARIANTS
    }
    page.publish(record, work.sheet(), "cpu", tmp_path)
    assert "time of a picture" in (docs / "results.md").read_text(encoding="utf-8")
    assert (docs / "images" / "ablation-cpu.png").exists()
    assert (docs / "images" / "ablation-cpu-curves.png").exists()
    assert json.loads((tmp_path / "results" / "ablation-cpu.json").read_text())["results"]["budget"]["kimg"] == 0.008
