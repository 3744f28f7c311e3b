# SPDX-License-Identifier: Apache-2.0
# `make` alone lists the targets. PYTHON=... names the interpreter that .venv is made with; ARGS=... is added to the command.
.DEFAULT_GOAL := help
.PHONY: help venv demo test test-slow lint format contracts compile-cuda gpu bench clean

BIN := .venv/bin
CUDA_KERNELS := $(wildcard torch_utils/ops/csrc/cuda/*.cu)
CUDA_GLUE := $(wildcard torch_utils/ops/csrc/cuda/*.cpp)
NVCC_FLAGS = $(shell $(BIN)/python -c "from torch_utils.ops import recipe, toolchain as t; print(*recipe.cuda_compile_flags(t.cuda_architectures('nvcc')))") -I torch_utils/ops/csrc
INCLUDES = $(shell $(BIN)/python -c "from torch.utils.cpp_extension import include_paths as p; print('-isystem', ' -isystem '.join(p()))")

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

venv:  ## make .venv, or bring it up to date
	@PYTHON='$(PYTHON)' sh .ci/venv

demo: venv  ## show what works on this machine
	$(BIN)/python demo.py $(ARGS)

test: venv  ## the test suite
	$(BIN)/python -m pytest $(ARGS)

test-slow: venv  ## the tests that take longer
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: venv  ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: venv  ## put style and format right
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

contracts: venv  ## check who imports what
	$(BIN)/lint-imports

compile-cuda: venv  ## compile every CUDA kernel and its glue; no GPU is needed
	@if ! command -v nvcc >/dev/null; then echo "nvcc was not found: the CUDA kernels were not compiled."; exit 0; fi; \
	test -n "$(CUDA_KERNELS)" || { echo "There are no CUDA sources to compile."; exit 1; }; \
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	for source in $(CUDA_KERNELS); do \
		echo "nvcc $$source"; nvcc $(NVCC_FLAGS) --threads 0 -c "$$source" -o "$$folder/kernel.o" || exit 1; \
	done; \
	echo "c++ $(CUDA_GLUE)"; \
	echo $(CUDA_GLUE) | xargs -n 1 -P "$$(getconf _NPROCESSORS_ONLN)" \
		c++ -std=c++20 -fsyntax-only -Wall $(INCLUDES) -I torch_utils/ops/csrc

# Installs nothing, so that it runs on a machine without network.
gpu: export PYTHONPATH := $(CURDIR)
gpu: ARGS ?= --write
gpu:  ## build, test and time everything on a GPU, with PYTHON=... as it is; ARGS= writes no tables
	$(or $(PYTHON),python3) -m torch_utils.ops --build
	$(or $(PYTHON),python3) -m pytest -o addopts="--import-mode=importlib -ra" tests/gpu
	$(or $(PYTHON),python3) benchmarks/ops.py --device cuda $(ARGS)
	$(or $(PYTHON),python3) benchmarks/train_step.py --device cuda $(ARGS)
	$(or $(PYTHON),python3) benchmarks/compare.py --device cuda $(ARGS)
	$(or $(PYTHON),python3) benchmarks/stages.py --device cuda $(ARGS)
	$(or $(PYTHON),python3) benchmarks/throughput.py --device cuda $(ARGS)

bench: venv  ## time everything that people wait for against the published way (half an hour on 2 cores)
	$(BIN)/python benchmarks/compare.py $(ARGS)
	$(BIN)/python benchmarks/stages.py

clean:  ## remove caches and build products; .venv and runs stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
