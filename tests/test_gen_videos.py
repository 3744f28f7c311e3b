# SPDX-License-Identifier: Apache-2.0
"""gen_videos.py from the command line: published commands, every source of heads, what is refused, and a Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import gen_videos
from tests.training.official_snapshots import official_parts, written
from tests.training.small import codes, labels, small_generator
from training.portraits import video_request
from training.pretrained import load_generator
from training.pretrained.network_file import save_networks
from training.pretrained.official_config import PANOHEAD

ROOT = Path(__file__).resolve().parents[1]
SIZE = 32


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "my heads.safetensors"
    save_networks(path, {"G_ema": small_generator()}, {})
    return path


def run(network: Path, command: str, folder: Path, code: int = 0) -> Result:
    arguments = [word.replace("OUT", str(folder)) for word in command.split()]
    if "--network" not in arguments:
        arguments += ["--network", str(network)]
    result = CliRunner().invoke(gen_videos.main, [*arguments, "--device", "cpu"])
    assert result.exit_code == code, result.output
    return result


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a snapshot of the published structure, and styles as the published projector writes them."""
    folder = tmp_path_factory.mktemp("published")
    snapshot = written(folder / "easy-khair.pkl", folder / "trace", G_ema=official_parts(PANOHEAD)[0])
    G = load_generator(snapshot)
    with torch.no_grad():
        ws = G.mapping(codes(1, G.z_dim), labels(0.0))
    np.savez(folder / "projected_w.npz", w=ws.numpy())
    return folder


# As in PanoHead's README, but for the names of merged scripts; the second was gen_interpolation.py and has --mix too.
PUBLISHED = {
    "--network MODEL.pkl --seeds 0-3 --grid 2x2 --outdir=OUT --cfg Head --trunc 0.7": ("easy-khair_90.mp4", (2, 2)),
    "--network MODEL.pkl --trunc 0.7 --outdir OUT --mix 521,329": ("easy-khair_90_mix521-329.mp4", (7, 1)),
    "--output=OUT/post.mp4 --latent=DIR/projected_w.npz --trunc 0.7 --network MODEL.pkl --cfg Head": (
        "post.mp4",
        (1, 1),
    ),
}


@pytest.mark.parametrize("command", list(PUBLISHED))
def test_published_commands_run(published: Path, tmp_path: Path, command: str) -> None:
    name, (columns, rows) = PUBLISHED[command]
    here = command.replace("MODEL.pkl", str(published / "easy-khair.pkl")).replace("DIR", str(published))
    run(published, here + " --w-frames 2", tmp_path)
    made = decode(tmp_path / name)
    assert len(made) == 2
    assert made[0].shape == (rows * 128, columns * 128, 3)
    assert os.listdir(tmp_path) == [name]


def test_interpolation_has_frames_for_every_keyframe(network: Path, tmp_path: Path) -> None:
    run(network, "--seeds 0-2 --w-frames 2 --output OUT/a.webm --cfg FFHQ --fps 12", tmp_path)
    assert len(decode(tmp_path / "a.webm")) == 6


def test_without_interpolation_every_head_has_a_video(network: Path, tmp_path: Path) -> None:
    run(network, "--seeds 3,12 --w-frames 2 --outdir OUT --interpolate False --format gif --pose_cond 45", tmp_path)
    assert sorted(os.listdir(tmp_path / "my-heads_45")) == ["seed0003.gif", "seed0012.gif"]


def test_cameras_of_a_file_are_the_frames(network: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "way.npy", labels(0.0, 0.5, 1.0, 1.5).numpy())
    run(network, "--seeds 1 --cameras OUT/way.npy --output OUT/frames", tmp_path)
    assert sorted(os.listdir(tmp_path / "frames")) == [f"{index:06}.png" for index in range(4)]


def test_kinds_stand_side_by_side_and_cut_outs_are_transparent(network: Path, tmp_path: Path) -> None:
    run(network, "--w-frames 2 --what image,depth,mask --output OUT/three", tmp_path)
    assert Image.open(tmp_path / "three" / "000001.png").size == (3 * SIZE, SIZE)
    run(network, "--w-frames 2 --what foreground --output OUT/cut", tmp_path)
    assert Image.open(tmp_path / "cut" / "000001.png").mode == "RGBA"
    run(network, "--w-frames 2 --what foreground --output OUT/cut.mp4", tmp_path)
    assert decode(tmp_path / "cut.mp4")[0].shape == (SIZE, SIZE, 3)


OPTIONS = {
    "nrr": "--nrr 16",
    "samples": "--sample_mult 2",
    "truncation": "--trunc 1",
    "cutoff": "--trunc-cutoff 2",
    "colour": "--background #ff0000",
    "seed": "--background seed:5",
    "conditioning": "--pose_cond 45",
}


def test_every_option_changes_the_picture(network: Path, tmp_path: Path) -> None:
    for name, option in {"plain": "", **OPTIONS}.items():
        run(network, f"--w-frames 1 --output OUT/{name} {option}", tmp_path)
    plain, *others = (np.asarray(Image.open(tmp_path / name / "000000.png")) for name in ("plain", *OPTIONS))
    for name, other in zip(OPTIONS, others, strict=True):
        assert (other != plain).any(), name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("runs/00003-panohead/", "00003-panohead"),
        (r"C:\nets\easy-khair-180.pkl", "easy-khair-180"),
        ("https://host/a/net work.safetensors#sha256=00ff", "net-work"),
        ("networks-0001.5.pt", "networks-0001.5"),
        ("..", "network"),
        ("heads:?*", "heads"),
    ],
)
def test_names_of_files_are_safe_everywhere(source: str, name: str) -> None:
    assert video_request._safe(source) == name


@pytest.mark.parametrize("flags", ["--pose_cond 22.5", "--network DIR/heads.v2.safetensors"])
def test_folders_of_pictures_are_named_without_an_ending(network: Path, tmp_path: Path, flags: str) -> None:
    dotted = tmp_path / "heads.v2.safetensors"
    dotted.write_bytes(network.read_bytes())
    run(network, f"{flags.replace('DIR', str(tmp_path))} --w-frames 1 --format png --outdir OUT/new", tmp_path)
    (folder,) = (tmp_path / "new").iterdir()
    assert os.listdir(folder) == ["000000.png"]


def test_many_latents_have_one_name_that_file_systems_take(network: Path, tmp_path: Path) -> None:
    G = load_generator(network)
    with torch.no_grad():
        ws = G.mapping(codes(1, G.z_dim), labels(0.0)).numpy()
    for i in range(9):
        np.savez(tmp_path / f"a portrait of somebody number {i}.npz", w=ws)
    latents = [str(path) for path in sorted(tmp_path.glob("*.npz"))]
    command = [word for path in latents for word in ("--latent", path)]
    command += ["--network", str(network), "--grid", "9x1", "--w-frames", "1", "--outdir", str(tmp_path / "new")]
    result = CliRunner().invoke(gen_videos.main, command)
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "new").glob("my-heads_90_a-portrait*.mp4"))) == 1


def test_flags_without_a_meaning_are_told(network: Path, tmp_path: Path) -> None:
    result = run(network, "--w-frames 1 --output OUT/a.mp4 --shapes true --reload_modules False", tmp_path)
    assert "--shapes does nothing here" in result.output
    assert "--reload-modules does nothing here" in result.output


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("--seeds 0 --mix 1,2", "not both"),
        ("--mix 1,2,3", "Two seeds are mixed"),
        ("--mix-layers 3", "give --mix as well"),
        ("--mix 1,2 --mix-layers 999", "mix from 0 to"),
        ("--seeds 0-4 --grid 2x2", "cannot share 5 heads"),
        ("--seeds 4294967296", "out of range"),
        ("--output OUT/a.avi", "ends in .mp4"),
        ("--output OUT/a.mp4 --quality 99", "0 (best) to 51"),
        ("--output OUT/a.mp4 --bitrate 1M --quality 9", "give one"),
        ("--output OUT/a.gif --fps 60", "to 50 frames"),
        ("--fps 0", "0.1 to 240 frames"),
        ("--fps 0.0001", "0.1 to 240 frames"),
        ("--grid 300x1 --num-keyframes 1", "2 to 8192"),
        ("--what depth --image_mode image", "give one of them"),
        ("--cameras nothing.npy", "nothing.npy"),
        ("--latent nothing.npz", "nothing.npz"),
        ("--interpolate false --grid 2x1 --seeds 0,1", "leave --grid"),
        ("--trunc nan", "truncation_psi"),
        ("--w-frames 100000000", "more than 1000000"),
        ("--num-keyframes 100000000", "at most 4096"),
        ("--seeds 0-9999999 --interpolate false", "at most 16384 heads"),
        ("--seeds 0-9999999 --num-keyframes 1", "at most 16384 heads"),
        ("--sample_mult 99", "0.1 to 32"),
        ("--network nothing", "no such file"),
    ],
)
def test_mistakes_are_told_before_any_frame(network: Path, tmp_path: Path, command: str, words: str) -> None:
    where = "" if "--output" in command else " --outdir OUT"
    result = run(network, command + where, tmp_path, code=1)
    assert words in result.output
    assert "Traceback" not in result.output
    assert os.listdir(tmp_path) == []


def test_ctrl_c_leaves_a_video_of_the_frames_so_far(network: Path, tmp_path: Path) -> None:
    command = [sys.executable, "gen_videos.py", "--network", str(network), "--device", "cpu"]
    command += ["--w-frames", "100000", "--output", str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as program:
        try:
            for line in program.stderr:  # The first line on progress; it comes after a second.
                if "frame" in line:
                    break
            program.send_signal(signal.SIGINT)
            _, err = program.communicate(timeout=120)
        finally:
            program.kill()
    assert program.returncode == 130
    assert "of 100000 frames" in err
    assert len(decode(tmp_path / "a.mp4")) > 0
    assert os.listdir(tmp_path) == ["a.mp4"]
