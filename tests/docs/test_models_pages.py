# SPDX-License-Identifier: Apache-2.0
"""The pages on models say what the code does: their Python runs, their tables are right, their links lead somewhere."""

import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import dataset_tool
from configs import resolve
from dnnlib.config import to_tree
from dnnlib.config_paths import leaves
from tests.training.golden import INIT, RENDERING
from training.builder import build_critic, build_generator
from training.model_config import GeneratorConfig
from training.pretrained.__main__ import main as pretrained
from training.pretrained.convert import convert
from training.pretrained.network_file import save_networks
from training.pretrained.official_config import EG3D, PANOHEAD, generator_config
from training.rendering.base import Scene

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["conventions.md", "migrating.md", "systems.md"]
MIGRATING = (ROOT / "docs" / "migrating.md").read_text(encoding="utf-8")
SYSTEMS = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
PUBLISHED = {
    *("train.py", "dataset_tool_seg.py", "resave_model.py", "calc_metrics.py", "gen_samples.py", "gen_videos.py"),
    *("gen_interpolation.py", "projector_withseg.py", "gen_videos_proj_withseg.py"),
}


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)


def section(text: str, heading: str) -> str:
    return re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL).group(1)


def rows(text: str) -> list[list[str]]:
    """The cells of all tables of a text, without headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rules = {i for i, line in enumerate(lines) if set(line) <= set("|-")}
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for i, line in enumerate(lines)
        if i not in rules and i + 1 not in rules
    ]


def save_small_networks() -> None:
    """The files that the pages read."""
    torch.manual_seed(0)
    config = resolve("panohead_debug")
    G = build_generator(config.generator).eval()
    D = build_critic(config.critic, resolution=config.generator.resolution).eval()
    save_networks("network.safetensors", {"G_ema": G, "D": D}, {})
    convert("network.safetensors", "network.pt")


def generator_of(name: str) -> GeneratorConfig:
    return resolve(name).generator


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)])
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if page == "migrating.md":
        save_small_networks()
    names: dict[str, object] = {"__name__": "page"}
    for i, block in enumerate(python_blocks(page)):
        exec(compile(block, f"{page}, block {i}", "exec"), names)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_and_headings(page: str) -> None:
    for target, anchor in re.findall(r"\]\(([\w.-]*)(?:#([\w-]+))?\)", text_of(page)):
        assert (ROOT / "docs" / (target or page)).is_file(), target
        headings = re.findall(r"^#+ (.*)$", text_of(target or page), re.MULTILINE)
        anchors = {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}
        assert not anchor or anchor in anchors, anchor


def test_the_slots_are_filled_as_the_table_says() -> None:
    fields = set(leaves({"generator": to_tree(GeneratorConfig())})) | {"generator"}
    for row in rows(section(SYSTEMS, "Slots"))[:7]:
        for path in re.findall(r"`([\w/]+\.py)`", "|".join(row)):
            source = (ROOT / "training" / path).read_text(encoding="utf-8")
            classes = re.findall(r"`([A-Z]\w+)`", "|".join(row))
            assert any(f"class {name}" in source for name in classes), path
        for path in re.findall(r"`(generator\.\w+)`", row[-1]):
            assert any(field == path or field.startswith(f"{path}.") for field in fields), path


def test_the_two_systems_differ_as_the_table_says_and_nowhere_else() -> None:
    mine, theirs = (
        leaves({"generator": to_tree(config.generator), "critic": to_tree(config.critic)})
        for config in (resolve("panohead"), resolve("eg3d"))
    )
    differing = {path for path in mine.keys() | theirs.keys() if mine.get(path) != theirs.get(path)}
    named = {
        re.sub(r"^generator\.", "", path).removesuffix(".num_layers").removesuffix(".zero_init") for path in differing
    }
    told = set()
    for row in rows(section(SYSTEMS, "Slots"))[7:]:
        first, *others = re.findall(r"`([\w.]+)`", row[0])
        told |= {first} | {f"{first.rpartition('.')[0]}.{other}".removeprefix(".") for other in others}
    assert {re.sub(r"^critic\.inputs.*", "critic.inputs", path) for path in named} == told


def test_sizes_and_costs_are_those_of_the_networks() -> None:
    with torch.device("meta"):
        G = build_generator(generator_of("panohead"))
        D = build_critic(resolve("panohead").critic, resolution=512)
    for module in (G, D):
        assert f"{sum(p.numel() for p in module.parameters()):,} parameters" in SYSTEMS
    assert f"[N, {G.num_ws}, {G.w_dim}]" in SYSTEMS
    chunk = G.renderer._rays_in_budget(Scene(G.field, torch.empty(0), G.warp, {}), 1)
    assert f"{chunk:,} rays" in SYSTEMS


def test_options_have_the_values_that_the_table_says() -> None:
    columns = [
        generator_config(INIT, RENDERING, PANOHEAD, 64),
        generator_config(INIT, RENDERING, EG3D, 64),
        generator_of("panohead"),
        generator_of("eg3d"),
    ]
    seen = 0
    for row in rows(section(MIGRATING, "Options")):
        paths = re.findall(r"`([\w.]+)`", row[1])
        for config, cell in zip(columns, row[2:], strict=True):
            if cell == "no shift":
                assert config.shift is None
                continue
            tree = leaves(to_tree(config))
            values = ["null" if tree[path] is None else str(tree[path]) for path in paths]
            assert [value.replace("True", "true").replace("False", "false") for value in values] == re.findall(
                r"`([^`]+)`", cell
            ), paths
            seen += 1
    assert seen == 26
    smaller = {"superresolution_module": "SuperresolutionHybrid4X"}
    config = generator_config(INIT | {"img_resolution": 256}, RENDERING | smaller, PANOHEAD, 64)
    assert config.superresolution.raw_after_first_block


def test_every_item_is_listed_once_and_options_are_in_both_tables() -> None:
    items = {int(row[0]): row[2] for row in rows(section(MIGRATING, "The whole list"))}
    assert list(items) == list(range(1, 47))
    assert all(re.match(r"\*\*(Option|Fixed|Kept)\*\*", text) for text in items.values())
    options = {int(row[0]) for row in rows(section(MIGRATING, "Options"))}
    assert options == {number for number, text in items.items() if text.startswith("**Option**")}


def test_commands_that_are_named_exist_and_every_published_one_is_named() -> None:
    for command in re.findall(r"^python -m training\.pretrained (\w+)", MIGRATING + SYSTEMS, re.MULTILINE):
        assert CliRunner().invoke(pretrained, [command, "--help"]).exit_code == 0, command
    packing = CliRunner().invoke(dataset_tool.main, ["pack", "--help"]).output
    assert all(flag in packing for flag in ("--img_source", "--seg_source", "--img_dest", "--seg_dest"))
    told = set(re.findall(r"\b(\w+\.py)\b", " ".join(row[0] for row in rows(section(MIGRATING, "Commands")))))
    assert told >= PUBLISHED
