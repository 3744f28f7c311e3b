# SPDX-License-Identifier: Apache-2.0
"""Compiled networks compute what the plain ones do, and are saved, copied and averaged as they are."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.runs import ROOT, command, make_heads
from tests.training.small import small_generator
from torch_utils import checkpoint
from training.compiled import compile_networks, networks_to_compile
from training.run_folder import RunFolder
from training.step import Players

# Without the checks of annotations that tests have and trainings have not: those are traced as well.
SAME = """
import sys, torch
from torch._dynamo.utils import counters
from tests.training.small import codes, labels, small_generator
from training.compiled import networks_to_compile
from training.generator import Randomness
from training.networks import superresolution

superresolution._BAND_BYTES = 22_000  # Without gradients, in three bands of different heights.
plain, other = small_generator().train(), small_generator().train()
for network in networks_to_compile(other):
    network.compile(backend=sys.argv[1], fullgraph=True)
z, c = codes(2), labels(0.3, 1.2)

def made(G, purpose, raw):
    ws, index = G.mapping(z, c), torch.tensor([5, 7])
    return G.synthesis(ws, c, raw, randomness=Randomness(1, purpose, index), density_noise=0.5)["image"]

def gradients(G, image):
    found = torch.autograd.grad(image.square().sum(), list(G.parameters()), allow_unused=True)
    return [torch.zeros(()) if x is None else x for x in found]

for purpose, raw in (("G", 8), ("D", 8), ("G", 11)):
    with torch.set_grad_enabled(purpose == "G"):
        expected, found = made(plain, purpose, raw), made(other, purpose, raw)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    if purpose == "G":
        for a, b in zip(gradients(plain, expected), gradients(other, found), strict=True):
            torch.testing.assert_close(b, a, rtol=1e-3, atol=1e-4 * float(a.abs().max()) + 1e-6)
with torch.no_grad():
    for x in (plain, other):
        x.field.synthesis.blocks[0].const.add_(1.0)
torch.testing.assert_close(made(other, "D", 8), made(plain, "D", 8), rtol=1e-4, atol=1e-5)
print(counters["stats"]["unique_graphs"], sum(counters["graph_break"].values()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])  # Traced, and compiled.
@pytest.mark.timeout(1500)
def test_pictures_and_gradients_are_those_of_the_plain_networks(backend: str) -> None:
    done = subprocess.run([sys.executable, "-c", SAME, backend], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    num_graphs, num_breaks = map(int, done.stdout.split())
    # Four networks with gradients and without; in the end the two that draw noise, with gradients for "D". The size of
    # raw pictures makes none, and bands of the last block one for all heights.
    assert (num_graphs, num_breaks) == (10, 0)


def test_names_and_copies_are_those_of_the_plain_networks() -> None:
    G = small_generator()
    names = list(G.state_dict())
    compile_networks(G)
    compiled = networks_to_compile(G)
    assert compiled == [
        *(G.field.synthesis, G.post.background),
        *(G.post.superresolution.block0, G.post.superresolution.block1),
    ]
    assert all(network._compiled_call_impl is not None for network in compiled)
    assert list(G.state_dict()) == names
    for other in (copy.deepcopy(G), Players.average_of(G)):
        assert list(other.state_dict()) == names
        assert all(network._compiled_call_impl is None for network in networks_to_compile(other))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_compiled_run_is_saved_like_any_other_and_goes_on_without(tmp_path: Path) -> None:
    heads = make_heads(tmp_path)
    for name, compiled in (("compiled", "yes"), ("plain", "no")):
        for total_nimg in (4, 8):
            settings = (f"numerics.compile={compiled if total_nimg == 4 else 'no'}", f"loop.total_nimg={total_nimg}")
            subprocess.run(command(heads, tmp_path / name, *settings), cwd=ROOT, check=True)
    folders = [RunFolder(tmp_path / name) for name in ("compiled", "plain")]
    one, other = (checkpoint.read(folder.networks(8)).tensors for folder in folders)
    assert one.keys() == other.keys()
    rows = (map(json.loads, folder.stats.read_text().splitlines()) for folder in folders)
    first, second = (next(row["stats"] for row in of_run if "stats" in row) for of_run in rows)
    assert first["G/adversarial"]["mean"] == pytest.approx(second["G/adversarial"]["mean"], rel=1e-3)
    assert first["D/fake"]["mean"] == pytest.approx(second["D/fake"]["mean"], rel=1e-3)
    assert all(torch.isfinite(x).all() for x in one.values())
