# SPDX-License-Identifier: Apache-2.0
"""gen_samples.py: what its files are, that published commands run as written, and how mistakes are told."""

import json
import shlex
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from dnnlib.config_paths import replace
from gen_samples import main
from tests.training.official_snapshots import official_parts, written
from tests.training.small import CONFIG, codes, labels, small_generator
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.generator import Generator
from training.pixels import colours
from training.portraits.seeds import z_of_seeds
from training.pretrained.network_file import save_networks
from training.pretrained.official_config import EG3D, PANOHEAD

STRIP_H_DEG = (0, -45, -90, -135, -180)


def run(arguments: str) -> Result:
    return CliRunner().invoke(main, shlex.split(arguments))


def pixels(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture(autouse=True, name="G")
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator:
    monkeypatch.chdir(tmp_path)
    G = small_generator()
    save_networks("net.safetensors", {"G_ema": G}, {})
    return G


def strip_of(G: Generator, seed: int, psi: float) -> np.ndarray:
    """PanoHead's five views, by the plain calls."""
    front = label_from_camera(camera_on_sphere(torch.tensor([torch.pi / 2]), torch.tensor([torch.pi / 2]))).float()
    h = torch.pi / 2 + torch.deg2rad(torch.tensor(STRIP_H_DEG, dtype=torch.float64))
    views = label_from_camera(camera_on_sphere(h, torch.full_like(h, torch.pi / 2 - 0.2))).float()
    with torch.no_grad():
        ws = G.mapping(z_of_seeds([seed], G.z_dim), front, truncation_psi=psi)
        return np.concatenate([colours(G.synthesis(ws, view[None])["image"])[0] for view in views], axis=1)


def test_by_default_a_seed_is_a_strip_from_the_front_to_the_back(G: Generator) -> None:
    assert run("--network net.safetensors --seeds 3,1").exit_code == 0
    for seed in (1, 3):
        strip = pixels(f"out/seed{seed:04d}.png")
        assert strip.shape == (32, 160, 3)
        assert np.abs(strip.astype(int) - strip_of(G, seed, 0.7)).max() <= 1


def test_the_same_command_makes_the_same_files_and_a_seed_is_the_same_among_others() -> None:
    assert run("--network net.safetensors --seeds 0-5 --outdir a --what image,foreground").exit_code == 0
    assert run("--network net.safetensors --seeds 4 --outdir b --what image,foreground").exit_code == 0
    assert run("--network net.safetensors --seeds 0-5 --outdir c --what image,foreground").exit_code == 0
    for path in Path("a").glob("*.png"):
        assert path.read_bytes() == (Path("c") / path.name).read_bytes()
    for path in Path("b").glob("*.png"):
        assert np.abs(pixels(path).astype(int) - pixels(Path("a") / path.name)).max() <= 1


def test_the_published_command_runs_as_written(tmp_path: Path) -> None:
    published, _, ours = official_parts(PANOHEAD, density=4)
    written(tmp_path / "MODEL.pkl", tmp_path / "trace", G_ema=published)
    # Smaller shapes than the default 512, for the time that it takes.
    result = run("--outdir=out --trunc=0.7 --shapes=true --seeds=0-3 --network MODEL.pkl --shape-res 16")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "trace").exists()
    assert {path.name for path in Path("out").iterdir()} == {
        "samples.json",
        *(f"seed000{i}.{ending}" for i in range(4) for ending in ("png", "mrc")),
    }
    assert np.abs(pixels("out/seed0002.png").astype(int) - strip_of(ours, 2, 0.7)).max() <= 1


def test_a_published_file_of_eg3d_gives_pictures(tmp_path: Path) -> None:
    published, _, ours = official_parts(EG3D)
    written(tmp_path / "MODEL.pkl", tmp_path / "trace", G_ema=published)
    assert run("--network MODEL.pkl --seeds 1").exit_code == 0
    assert np.abs(pixels("out/seed0001.png").astype(int) - strip_of(ours, 1, 0.7)).max() <= 1


def test_flags_are_written_with_hyphens_or_underscores() -> None:
    for spelling in ("--trunc-cutoff 2 --pose_cond 70 --fov-deg 20", "--trunc_cutoff 2 --pose-cond 70 --fov_deg 20"):
        assert run(f"--network net.safetensors --seeds 0 --yaws 0 {spelling} --outdir={len(spelling)}").exit_code == 0
    settings = json.loads(Path(str(len(spelling)), "samples.json").read_text())["settings"]
    assert (settings["trunc_cutoff"], settings["pose_cond"], settings["fov_deg"]) == (2, 70.0, 20.0)


def test_flags_that_did_nothing_are_accepted_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    result = run("--network net.safetensors --seeds 0 --yaws 0 --class=3 --reload_modules False")
    assert result.exit_code == 0
    assert all(
        flag in result.output + caplog.text for flag in ("--class does nothing", "--reload-modules does nothing")
    )


def test_pitches_are_rows_yaws_columns_and_heads_cells_of_a_grid() -> None:
    assert run("--network net.safetensors --seeds 0-4 --yaws -30,0,30 --pitches 20,-20 --grid 2x2").exit_code == 0
    first, second = pixels("out/grid0000.png"), pixels("out/grid0001.png")
    assert first.shape == (2 * 2 * 32, 2 * 3 * 32, 3)
    assert second.shape == (2 * 32, 2 * 3 * 32, 3)
    assert (second[:, 3 * 32 :] == 255).all()
    assert run("--network net.safetensors --seeds 3 --yaws 30 --pitches -20 --outdir one").exit_code == 0
    cell = first[3 * 32 :, 5 * 32 :]
    assert np.abs(cell.astype(int) - pixels("one/seed0003.png")).max() <= 1


def test_separate_files_are_the_parts_of_the_strip() -> None:
    assert run("--network net.safetensors --seeds 2 --what depth,foreground").exit_code == 0
    assert run("--network net.safetensors --seeds 2 --what depth,foreground --separate --outdir parts").exit_code == 0
    for kind in ("depth", "foreground"):
        parts = [pixels(f"parts/seed0002_view{i:02d}_{kind}.png") for i in range(5)]
        assert (np.concatenate(parts, axis=1) == pixels(f"out/seed0002_{kind}.png")).all()


def test_the_manifest_says_how_each_file_was_made(G: Generator) -> None:
    assert run("--network net.safetensors --seeds 0,7 --yaws 0,90 --pitches 0 --what image,mask").exit_code == 0
    told = json.loads(Path("out/samples.json").read_text())
    assert {entry["file"] for entry in told["pictures"]} == {path.name for path in Path("out").glob("*.png")}
    assert [head["seed"] for head in told["heads"]] == [0, 7]
    assert [(view["yaw_deg"], view["pitch_deg"]) for view in told["views"]] == [(0, 0), (90, 0)]
    assert told["views"][0]["label"][:12] == [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7]
    assert told["network"]["source"] == "net.safetensors"
    with torch.no_grad():
        next(G.parameters()).add_(1)
    save_networks("other.safetensors", {"G_ema": G}, {})
    assert run("--network other.safetensors --seeds 0 --yaws 0 --outdir other").exit_code == 0
    other = json.loads(Path("other/samples.json").read_text())
    assert other["network"]["weights_blake2b"] != told["network"]["weights_blake2b"]


def test_the_background_of_a_seed_is_that_of_its_own_pictures() -> None:
    assert run("--network net.safetensors --seeds 0 --background seed:5 --what background").exit_code == 0
    assert run("--network net.safetensors --seeds 5 --what background --outdir five").exit_code == 0
    assert run("--network net.safetensors --seeds 0 --what background --outdir own").exit_code == 0
    mine, theirs, own = (
        pixels(f"{name}_background.png").astype(int) for name in ("out/seed0000", "five/seed0005", "own/seed0000")
    )
    # Colours depend a little on the last style of the head.
    assert np.abs(mine - theirs).mean() < np.abs(mine - own).mean()


def test_mixed_heads_begin_as_the_second_seed_and_end_as_the_first(G: Generator) -> None:
    assert run("--network net.safetensors --mix 1,2 --yaws 0").exit_code == 0
    assert run("--network net.safetensors --seeds 1,2 --yaws 0 --outdir own").exit_code == 0
    names = sorted(path.name for path in Path("out").glob("*.png"))
    assert names[0] == "seed0001-0002_layer00.png"
    assert names[-1] == f"seed0001-0002_layer{G.num_ws:02d}.png"
    for name, seed in ((names[0], 2), (names[-1], 1)):
        assert np.abs(pixels(f"out/{name}").astype(int) - pixels(f"own/seed000{seed}.png")).max() <= 1


def test_heads_of_a_latent_file_stand_before_its_background(G: Generator) -> None:
    with torch.no_grad():
        ws, behind = (G.mapping(codes(2, seed=seed), labels(0.0, 0.0)).numpy() for seed in (3, 4))
    np.savez("me and you.npz", w=ws, w_background=behind)
    assert run("--network net.safetensors --latent 'me and you.npz' --yaws 0 --pitches 0").exit_code == 0
    label = label_from_camera(camera_on_sphere(torch.tensor([torch.pi / 2]), torch.tensor([torch.pi / 2]))).float()
    for i in range(2):
        row = slice(i, i + 1)
        with torch.no_grad():
            wanted = colours(G.synthesis(torch.tensor(ws[row]), label, ws_bcg=torch.tensor(behind[row]))["image"])[0]
        assert np.abs(pixels(f"out/me-and-you_{i:02d}.png").astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--seeds 0-3 --mix 1,2", "--seeds or --mix"),
        ("--mix 1,2,3", "Two seeds are mixed"),
        ("--mix 1,2 --mix-layers 99", "99"),
        ("--mix-layers 1", "give --mix as well"),
        ("--seeds 1,1", "asked for twice"),
        ("--mix 1,2 --mix-layers 3,3", "Layer 3 is asked for twice"),
        ("--seeds 0 --pose-cond nan", "no angle"),
        ("--seeds 3-1", "runs downwards"),
        ("--seeds 4294967296", "out of range"),
        ("--grid 2x2 --separate", "give one of them"),
        ("--grid 0x2", "not a size"),
        ("--grid 9000x9000", "pixels"),
        ("--yaws left", "no angles"),
        ("--yaws nan", "not finite"),
        ("--pitches 100", "between -90"),
        ("--fov-deg 200", "between 0 and 180"),
        ("--nrr 5000", "1 to 1024"),
        ("--trunc nan", "truncation_psi"),
        ("--what hair", "no kind"),
        ("--background nothing.jpg", "no background"),
        ("--background net.safetensors", "picture"),
        ("--shapes stl", "no format"),
        ("--shapes ply --shape-res 4", "voxels"),
        ("--outdir net.safetensors", "nothing can be written there"),
        ("--latent net.safetensors", "no .npz"),
        ("--network nobody", "no such file"),
    ],
)
def test_mistakes_are_told_in_a_sentence_and_nothing_is_written(arguments: str, words: str) -> None:
    result = run(f"--network net.safetensors {arguments}")
    assert result.exit_code != 0
    assert words in " ".join(result.output.split()), result.output
    assert "Traceback" not in result.output
    assert not list(Path().rglob("*.png"))


def test_many_seeds_are_checked_at_once() -> None:
    began_s = time.monotonic()
    assert "Seed 7 is asked for twice" in run("--network net.safetensors --seeds 0-200000,7").output
    assert time.monotonic() - began_s < 5


def test_styles_are_drawn_as_they_are_wanted(G: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    mapping = Generator.mapping
    monkeypatch.setattr(Generator, "mapping", lambda G, z, *rest: drawn.append(len(z)) or mapping(G, z, *rest))
    assert run("--network net.safetensors --seeds 0-99 --yaws 0 --nrr 2").exit_code == 0
    assert drawn == [64, 36]
    told = json.loads(Path("out/samples.json").read_text())
    assert [head["seed"] for head in told["heads"]] == list(range(100))


def test_a_head_without_a_surface_is_named() -> None:
    result = run("--network net.safetensors --seeds 6 --yaws 0 --shapes ply --shape-res 16")
    assert result.exit_code == 1
    assert "seed0006: No picture of this head shows anything opaque" in result.output


def test_truncation_of_a_latent_is_told_to_do_nothing(G: Generator, caplog: pytest.LogCaptureFixture) -> None:
    with torch.no_grad():
        np.savez("me.npz", w=G.mapping(codes(1), labels(0.0)).numpy())
    for flags, is_told in (("", False), ("--trunc 0.5", True)):
        caplog.clear()
        result = run(f"--network net.safetensors --latent me.npz --yaws 0 {flags}")
        assert ("--trunc does nothing" in result.output + caplog.text) is is_told


def test_models_without_a_background_say_what_they_cannot_show() -> None:
    save_networks("net.safetensors", {"G_ema": small_generator(replace(CONFIG, **{"background": False}))}, {})
    for arguments in ("--what foreground", "--what background", "--background seed:2", "--background '#ffffff'"):
        result = run(f"--network net.safetensors {arguments}")
        assert result.exit_code == 1
        assert "This model draws" in result.output
    assert run("--network net.safetensors --what image,depth,mask --seeds 0").exit_code == 0
