# SPDX-License-Identifier: Apache-2.0
"""How the native library is compiled: its sources, and every command with its flags, written down for ninja."""

import sys
from pathlib import Path

import torch

from torch_utils.ops import toolchain
from torch_utils.ops.toolchain import Toolchain

# Kernels may contract a*b+c and ignore the floating-point environment; NaN and infinity keep their meaning.
CXX_FLAGS = (
    "-O3 -march=native -std=c++20 -fPIC -fno-math-errno -fno-trapping-math -ffp-contract=fast -fvisibility=hidden"
)
SHARED_FLAGS = "-dynamiclib -undefined dynamic_lookup" if sys.platform == "darwin" else "-shared"


def sources(csrc: Path, with_cuda: bool) -> list[Path]:
    """What is compiled; the headers beside it are found by the compiler."""
    patterns = ["cpu/*.cpp"] + (["cuda/*.cpp", "cuda/*.cu"] if with_cuda else [])
    return sorted(path for pattern in patterns for path in csrc.glob(pattern))


def cuda_compile_flags(architectures: tuple[str, ...] = toolchain.CUDA_ARCHITECTURES) -> list[str]:
    """Flags of nvcc. The kernels include no PyTorch header, so these are all that they need."""
    codes = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in architectures]
    codes.append(f"-gencode=arch=compute_{architectures[-1]},code=compute_{architectures[-1]}")
    return ["-std=c++20", "-O3", "-Xcompiler", "-fPIC", *codes]


def ninja_file(csrc: Path, tools: Toolchain, library_name: str, with_cuda: bool) -> str:
    """The build as ninja reads it: one object for each source, one library from all of them."""
    assert tools.cxx is not None
    torch_dir = Path(torch.__file__).parent
    torch_lib = _quote(torch_dir / "lib")
    libs = f"-L{torch_lib} -Xlinker -rpath -Xlinker {torch_lib} -ltorch_cpu -lc10 -ltorch"
    rules = {
        "cxx": f"{_quote(tools.cxx)} {CXX_FLAGS} -isystem {_quote(torch_dir / 'include')} -I{_quote(csrc)} "
        "-c $in -o $out",
        "link": f"{_quote(tools.cxx)} {SHARED_FLAGS} $in -o $out {libs}",
    }
    if with_cuda:
        assert tools.nvcc is not None
        flags = " ".join(cuda_compile_flags(toolchain.cuda_architectures(tools.nvcc)))
        nvcc = f"{_quote(tools.nvcc)} -ccbin {_quote(tools.cxx)}"
        rules["nvcc"] = f"{nvcc} {flags} -I{_quote(csrc)} -c $in -o $out"
        # nvcc links, since it alone is sure to find the runtime of its toolkit: what PATH names may be a script that
        # calls it. Statically, because PyTorch may carry another version of the shared runtime.
        rules["link"] = f"{nvcc} -shared -cudart=static $in -o $out {libs} -ltorch_cuda"

    lines = [f"rule {name}\n  command = {command}\n  description = $out" for name, command in rules.items()]
    objects = []
    for source in sources(csrc, with_cuda):
        objects.append(f"{source.parent.name}_{source.name}.o")
        lines.append(f"build {objects[-1]}: {'nvcc' if source.suffix == '.cu' else 'cxx'} {_escape(source)}")
    lines.append(f"build {library_name}: link {' '.join(objects)}")
    return "\n".join(lines) + "\n"


def _quote(path: str | Path) -> str:
    """For the shell that ninja calls."""
    return "'" + str(path).replace("$", "$$").replace("'", "'\\''") + "'"


def _escape(path: Path) -> str:
    """For ninja's own list of inputs; ninja quotes them for the shell."""
    return str(path).replace("$", "$$").replace(" ", "$ ").replace(":", "$:")
