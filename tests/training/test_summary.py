# SPDX-License-Identifier: Apache-2.0
"""What networks cost, as text; and whether the memory that is predicted is the memory that a process takes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from configs import resolve
from dnnlib.config_paths import replace
from tests.training.small import CONFIG, small_critic, small_generator
from training.model_config import CriticConfig
from training.summary import network_summary, rendering_bytes, summary

ROOT = Path(__file__).resolve().parents[2]
CRITIC = CriticConfig(channel_base=128, channel_max=16)

# Memory that lives at once is what the peak of a process shows if freed blocks go back to the system at once. That is
# asked of the C library in `measured`; left to itself, it keeps some.
SCRIPT = """
import sys
import torch
from configs import resolve
from training.builder import build_generator
from training.camera_paths import camera_on_sphere
from training.cameras import label_from_camera
from training.generator import Randomness

name, batch, is_training = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "training"
torch.manual_seed(0)
G = build_generator(resolve(name).generator).train(is_training)
front = torch.full((1,), torch.pi / 2)
label = label_from_camera(camera_on_sphere(front, front)).float()

def memory(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) * 1024

def render(count):
    z, c = torch.randn(count, G.z_dim), label.expand(count, -1)
    randomness = Randomness(0, "test", torch.arange(count)) if is_training else None
    with torch.set_grad_enabled(is_training):
        out = G.synthesis(G.mapping(z, c), G.adaptation(z, c)[0], randomness=randomness)
        if is_training:
            sum(out[key].sum() for key in ("image", "image_raw", "image_mask")).backward()

render(1)  # Libraries take what they keep.
for parameter in G.parameters():
    parameter.grad = None
before = memory("VmRSS")
render(batch)
print(memory("VmHWM") - before)
"""


def measured(name: str, batch: int, *, is_training: bool) -> int:
    # One thread: what several keep for themselves is not what is predicted, and it is quicker on a busy machine.
    eager = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-c", SCRIPT, name, str(batch), "training" if is_training else "inference"]
    done = subprocess.run(arguments, cwd=ROOT, env=os.environ | eager, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and asks something of glibc")
@pytest.mark.parametrize(
    ("name", "batch"),
    [("panohead_small", 8), pytest.param("panohead", 1, marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
@pytest.mark.parametrize(
    "is_training", [pytest.param(False, marks=pytest.mark.slow), True], ids=["inference", "training"]
)
def test_the_predicted_memory_is_what_a_process_takes(name: str, batch: int, is_training: bool) -> None:
    predicted = rendering_bytes(resolve(name).generator, 25, batch, is_training=is_training)
    assert predicted == pytest.approx(measured(name, batch, is_training=is_training), rel=0.1)


@pytest.mark.slow
def test_training_takes_more_memory_and_larger_batches_do() -> None:
    one, three = (rendering_bytes(CONFIG, 25, batch, is_training=False) for batch in (1, 3))
    assert three == pytest.approx(3 * one, rel=0.1)
    assert rendering_bytes(CONFIG, 25, 1, is_training=True) > 1.5 * one


@pytest.mark.slow
def test_a_smaller_budget_for_chunks_takes_less_memory() -> None:
    large = replace(CONFIG, **{"renderer.resolution": 64, "renderer.num_coarse": 40})
    small = replace(large, **{"renderer.memory_budget_mb": 1})
    assert rendering_bytes(small, 25, 2, is_training=False) < 0.5 * rendering_bytes(large, 25, 2, is_training=False)


def rows(text: str) -> dict[str, tuple[int, str]]:
    """Path -> parameters and operations, of the tables."""
    path: list[str] = []
    found: dict[str, tuple[int, str]] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"( *)(\S+) +([\d,]+) *(\S*)", line)
        if match:
            depth = len(match[1]) // 2
            path[depth:] = [match[2]]
            found["/".join(path)] = (int(match[3].replace(",", "")), match[4])
    return found


def test_tables_count_every_parameter() -> None:
    G, D = small_generator(), small_critic(CRITIC)
    table = rows(summary(CONFIG, CRITIC, 25, 1))
    assert table["Generator"][0] == sum(p.numel() for p in G.parameters())
    assert table["Critic"][0] == sum(p.numel() for p in D.parameters())
    for path, (count, _) in table.items():
        title, _, name = path.partition("/")
        part = (G if title == "Generator" else D).get_submodule(name.replace("/", "."))
        assert count == sum(p.numel() for p in part.parameters()), path
    assert {"Generator/field/decoder/hidden", "Generator/adaptation/mapping/layers", "Critic/tower/blocks"} <= set(
        table
    )


def test_operations_are_those_of_one_picture_whatever_the_batch() -> None:
    # From two on: styles of a single picture go into the weights, which spares some products.
    G = small_generator()
    assert rows(network_summary(G, 2)) == rows(network_summary(G, 4))


def test_operations_of_the_decoder_by_hand() -> None:
    _, flops = rows(network_summary(small_generator(), 1))["Generator/field/decoder"]
    samples = 8 * 8 * (6 + 5)
    assert flops == f"{2 * samples * (8 * 16 + 16 * 9) / 1000:.0f}k"


def test_the_memory_of_a_step_is_told_with_the_weights() -> None:
    lines = summary(CONFIG, None, 25, 3).splitlines()
    wanted = r"Memory for a batch of 3, with .*: [\d.]+ [KM]iB to render it, [\d.]+ MiB for its step\."
    assert re.fullmatch(wanted, lines[-1])
    assert not any(line.startswith("Critic") for line in lines)


def test_half_precision_takes_less_memory() -> None:
    wide = replace(CONFIG, **{"superresolution.widths": (64, 64)})
    half = replace(wide, **{"precision": "bf16", "superresolution.precision": "bf16"})
    assert rendering_bytes(half, 25, 2, is_training=False) < 0.8 * rendering_bytes(wide, 25, 2, is_training=False)


def test_a_network_of_a_file_has_a_table_too() -> None:
    assert next(iter(rows(network_summary(small_critic(CRITIC), 1)))) == "Critic"
    assert next(iter(rows(network_summary(small_generator(), 1)))) == "Generator"


@pytest.mark.slow
def test_a_picture_of_panohead_takes_what_is_known_of_it() -> None:
    table = rows(summary(resolve("panohead").generator, None, 25, 1))
    giga = {path: float(flops[:-1]) for path, (_, flops) in table.items() if flops.endswith("G")}
    total = giga["Generator"]
    assert total == pytest.approx(324, rel=0.02)
    assert giga["Generator/post/superresolution"] / total == pytest.approx(0.61, abs=0.01)
    assert giga["Generator/field"] / total == pytest.approx(0.31, abs=0.01)
    assert giga["Generator/post/background"] / total == pytest.approx(0.07, abs=0.01)
