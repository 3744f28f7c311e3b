# SPDX-License-Identifier: Apache-2.0
"""projector.py, as it is called."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from skimage.data import astronaut

from projector import main
from tests.training.inversion.solid import solid_generator
from tests.training.small import labels, small_generator
from training.data.labels import dataset_json
from training.inversion import loop
from training.inversion.rendering import render
from training.portraits.latents import latent_for
from training.pretrained import load_generator
from training.pretrained.network_file import save_networks
from training.watch.pictures import colours

QUICK = ["--num-steps", "2", "--num-steps-pti", "2"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, and a set of two pictures of its own."""
    monkeypatch.chdir(tmp_path)
    G = small_generator()
    save_networks(tmp_path / "net.safetensors", {"G_ema": G}, {})
    for part in ("img", "seg"):
        (tmp_path / part).mkdir()
    c = labels(0.0, 0.6)
    with torch.no_grad():
        pictures = G.synthesis(G.mapping(torch.ones(2, 8), labels(0.0, 0.0)), c)["image"]
    for i, picture in enumerate(pictures):
        Image.fromarray(colours(picture)).save(tmp_path / "img" / f"{i:06d}.png")
        Image.fromarray(np.pad(np.full((16, 16), 255, np.uint8), 8)).save(tmp_path / "seg" / f"{i:06d}.png")
    names = ["000000.png", "000001.png"]
    (tmp_path / "img" / "dataset.json").write_bytes(dataset_json(names, c.numpy()))
    return tmp_path


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["--network", "net.safetensors", *map(str, arguments)])


def test_the_published_command_leaves_all_it_says(place: Path) -> None:
    result = run("--outdir=OUT", "--target_img=img", "--target_seg=seg", "--idx", "0", "--num_steps", 3, *QUICK[2:])
    assert result.exit_code == 0, result.output
    out = place / "OUT"
    names = {
        "projected_w.npz",
        "delta.safetensors",
        "target.png",
        "proj.png",
        "proj.mp4",
        "sheet.png",
        "inversion.json",
    }
    assert names <= {file.name for file in out.iterdir()}
    numbers = json.loads((out / "inversion.json").read_text())
    assert numbers["steps"] == {"search": 3, "tuning": 2}
    assert numbers["perceptual"] == "HeadNet"
    assert set(numbers["psnr_db"]) == set(numbers["psnr_inside_db"]) == {"mean head", "search", "tuning"}
    assert Image.open(out / "proj.png").size == (32, 32)


def test_network_delta_and_latent_together_give_the_picture_that_was_shown(place: Path) -> None:
    assert run("--target", "img", "--idx", 1, *QUICK).exit_code == 0
    G = load_generator("net.safetensors", delta="out/delta.safetensors")
    latent = latent_for(G, "out/projected_w.npz")
    assert latent.labels is not None
    assert torch.allclose(latent.labels, labels(0.6))
    with torch.no_grad():
        picture = colours(render(G, latent, (0,), latent.labels)["image"][0])
    shown = np.asarray(Image.open(place / "out" / "proj.png")).astype(int)
    assert np.abs(picture.astype(int) - shown).max() <= 1


def test_a_photograph_runs_through(place: Path) -> None:
    Image.fromarray(astronaut()[0:300, 60:380]).save("astronaut.png")
    result = run("--target", "astronaut.png", *QUICK, "--save-video", "false")
    assert result.exit_code == 0, result.output
    numbers = json.loads((place / "out" / "inversion.json").read_text())
    assert numbers["settings"]["refine_camera"] is True
    assert not (place / "out" / "proj.mp4").exists()


def test_several_pictures_of_one_person_or_of_several(place: Path) -> None:
    assert run("--target", "img", "--idx", "0,1", *QUICK, "--outdir", "one").exit_code == 0
    assert run("--target", "img", "--idx", "0,1", *QUICK, "--outdir", "two", "--separate").exit_code == 0
    shapes = [np.load(place / name / "projected_w.npz")["w"].shape[0] for name in ("one", "two")]
    assert shapes == [1, 2]
    assert (place / "one" / "proj_01.png").exists()


def test_styles_of_panoheads_projector_are_tuned_around(place: Path) -> None:
    G = small_generator()
    np.savez("w.npz", w=np.full((1, G.num_ws, G.w_dim), 0.1, np.float32))
    result = run("--target", "img", "--latent", "w.npz", *QUICK)
    assert result.exit_code == 0, result.output
    assert np.load(place / "out" / "projected_w.npz")["w"].max() == pytest.approx(0.1)
    assert json.loads((place / "out" / "inversion.json").read_text())["steps"] == {"tuning": 2}


def test_a_camera_that_is_given_goes_before_that_of_a_latent(place: Path) -> None:
    G = small_generator()
    np.savez("w.npz", w=np.full((1, G.num_ws, G.w_dim), 0.1, np.float32), c=labels(0.0).numpy())
    for flags, azimuth_deg in (((), 0), (("--yaw", 30), 30)):
        result = run("--target", "img/000001.png", "--latent", "w.npz", *flags, *QUICK, "--outdir", azimuth_deg)
        assert result.exit_code == 0, result.output
        found = json.loads((place / str(azimuth_deg) / "inversion.json").read_text())
        assert found["azimuth_deg"] == pytest.approx([azimuth_deg], abs=1e-3)


def test_without_tuning_the_generator_stays(place: Path) -> None:
    assert run("--target", "img", "--num-steps", 1, "--num-steps-pti", 0).exit_code == 0
    assert not (place / "out" / "delta.safetensors").exists()


def test_shapes_are_written_where_they_are_wanted(place: Path) -> None:
    save_networks("net.safetensors", {"G_ema": solid_generator()}, {})
    result = run("--target", "img", "--num-steps", 0, "--num-steps-pti", 0, "--shapes", "true", "--shape-res", 32)
    assert result.exit_code == 0, result.output
    assert (place / "out" / "geometry.mrc").exists()
    assert (place / "out" / "geometry.glb").exists()


def terminate() -> bool:
    os.kill(os.getpid(), signal.SIGTERM)
    return False


def test_a_stopped_one_says_that_the_same_command_goes_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "is_flat", lambda losses: len(losses) == 10 and terminate())
    stopped = run("--target", "img", "--num-steps", 12, "--num-steps-pti", 0)
    assert stopped.exit_code == 130
    assert not (place / "out" / "projected_w.npz").exists()
    monkeypatch.setattr(loop, "is_flat", lambda losses: False)
    assert run("--target", "img", "--num-steps", 12, "--num-steps-pti", 0).exit_code == 0
    assert json.loads((place / "out" / "inversion.json").read_text())["steps"]["search"] == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "absent.png"], "there is no such file"),
        (["--target", "img", "--delta", "delta.safetensors"], "leave out --delta"),
        (["--target", "img", "--idx", "7"], "has no entry 7"),
        (["--target", "img", "--idx", "0,0"], "names an entry twice"),
        (["--target", "img", "--yaw", "0,1", "--pitch", "1,2,3"], "give as many"),
        (["--target", "img", "--pitch", "95"], "between -90"),
        (["--target", "img", "--keep", "nan"], "`keep` and `pull` are numbers"),
        (["--target", "img", "--latent", "img/000000.png"], "is no .npz file"),
        (["--target", "img", "--latent", "w.npz", "--refine-camera"], "leave one of them out"),
        (["--target", "img", "--outdir", "net.safetensors"], "nothing can be written"),
        (["--target", "img", "--fps", "0", "--save-video", "true"], "frames a second"),
        (["--target", "img", "--shapes", "true", "--shape-res", "0"], "resolution|voxel"),
        (["--target", "img", "--perceptual", "absent.pt"], "leave out --perceptual"),
    ],
)
def test_mistakes_are_told_in_a_sentence(place: Path, arguments: list[str], words: str) -> None:
    result = run(*arguments, *QUICK)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert re.search(words, result.output.replace("\n", " ")), result.output
