# Everything here works in a fresh clone: each target makes what it needs first. `make` alone lists them.

# uv reads its own variable; a folder of wheels that pip knows is good for both.
UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
ifneq ($(UV_FIND_LINKS),)
export UV_FIND_LINKS
endif

PYTEST = .venv/bin/python -m pytest
CODE = dnnbox tests tools benchmarks examples

.DEFAULT_GOAL := help
.PHONY: help setup zoo demo showcases test test-long test-extended unit check lint format docs engines bench bench-environments bench-fidelity bench-gpu bench-spread bench-peers bench-noise bench-gate bench-slurm bench-inspect eval-source eval-dependencies eval-preprocessing bench-source fuzz fault-kill fault-writes fault-engine fault-concurrent bench-sandbox clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.made ## make .venv with dnnbox and its tools (Python 3.11 or newer)
.venv/.made: pyproject.toml tools/setup.sh tools/constraints.txt
	@tools/setup.sh
	@touch $@

zoo: .venv-zoo/.made ## install the frameworks that make the tests' checkpoints
.venv-zoo/.made: .venv/.made tests/zoo/requirements.txt tools/zoo.sh
	@tools/zoo.sh
	@touch $@

demo: setup ## run a real model over real input, from nothing to the report
	@tools/demo.sh

showcases: setup zoo ## run ten models of ten kinds; the reports are listed at the end
	.venv/bin/python examples/showcases/run.py

test: setup zoo ## pass all tests; those that need an engine are skipped where there is none
	$(PYTEST) -n 2 --dist loadgroup -m 'not long and not extended'

test-long: setup zoo ## the tests that take minutes: faults, whole sweeps, many repetitions; CI runs them too
	$(PYTEST) -n 2 --dist loadgroup -m 'long and not extended'

test-extended: setup zoo ## the tests that install whole frameworks or run a matrix: half an hour and more, not in CI
	$(PYTEST) -n 2 --dist loadgroup -m extended

unit: setup ## the fast tests: no network, no engine, no frameworks
	$(PYTEST) tests -m 'not engine and not zoo and not slow and not long and not extended'

check: OTHERS = 10000
check: S = 120
check: lint fuzz test-long test ## what CI runs

lint: setup ## style, format, types
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/mypy

format: setup ## let ruff rewrite what it can
	.venv/bin/ruff check --fix $(CODE)
	.venv/bin/ruff format $(CODE)

docs: setup ## write the generated tables again
	.venv/bin/python tools/generate_docs.py

engines: ## install and start Docker and bubblewrap, make a base image without a registry; PODMAN=1, SLURM=1 add those
	@tools/engines.sh

bench: setup zoo ## measure dnnbox's own overhead
	.venv/bin/python benchmarks/overhead.py

bench-fidelity: setup zoo ## compare the reported p50 with a hand-written loop, in one run
	.venv/bin/python benchmarks/fidelity.py

bench-gpu: ## hold a GPU's figures against loops written by hand; PYTHON has torch, timm, transformers and dnnbox's needs
	VIRTUAL_ENV=$(abspath $(dir $(PYTHON))/..) $(PYTHON) benchmarks/gpu.py

bench-spread: setup zoo ## is the p50 of the same experiment, five times, the same again?
	.venv/bin/python benchmarks/spread.py

bench-peers: setup zoo .venv-timing-peers/.made ## measure the same model with the peers, beside a tight loop; writes docs/peers.md
	.venv/bin/python benchmarks/timing_peers.py --python .venv-timing-peers/bin/python --write
.venv-timing-peers/.made: .venv/.made benchmarks/timing_peers.txt
	.venv/bin/uv venv -q --allow-existing --python 3.11 .venv-timing-peers
	.venv/bin/uv pip install -q --python .venv-timing-peers/bin/python -r benchmarks/timing_peers.txt
	@touch $@

bench-noise: setup zoo ## is a spinner on the same cores flagged in 20 of 20 runs, and a quiet machine left alone?
	.venv/bin/python benchmarks/noise.py

bench-gate: M = noisy
bench-gate: setup zoo ## how often the gate cries wolf, and misses one: M=noisy or quiet, 50 real comparisons; M=recorded: those again
	.venv/bin/python benchmarks/gate.py $(M)

bench-slurm: setup zoo ## sweep 24 cells on the local Slurm, then kill one in the middle: what it costs, what is done twice
	SLURM=1 tools/engines.sh
	.venv/bin/python benchmarks/sweep_slurm.py --record

BENCH_ENVIRONMENTS = .venv/bin/python benchmarks/environments.py --record benchmarks/results/environments.json
bench-environments: setup ## new environments against venv + pip and docker build; what a warm job costs (Docker)
	$(BENCH_ENVIRONMENTS) --part onnxruntime --repeat 5
	$(BENCH_ENVIRONMENTS) --part container --repeat 4
	$(BENCH_ENVIRONMENTS) --part torch --repeat 3

bench-inspect: setup zoo .venv-peers/.made ## measure inspection of large files beside the peers, in one run
	.venv/bin/python -m compileall -q dnnbox
	.venv/bin/python benchmarks/inspect_large.py --python .venv-zoo/bin/python --peers .venv-peers/bin/python \
		--record benchmarks/results/inspect.json
.venv-peers/.made: .venv/.made benchmarks/peers.txt
	.venv/bin/uv venv -q --allow-existing --python 3.11 .venv-peers
	.venv/bin/uv pip install -q --compile-bytecode --python .venv-peers/bin/python -r benchmarks/peers.txt
	@touch $@

# ENV: an environment that holds what the sources import.
eval-source: setup ## match bare weights with their sources: PAIRS=DIR SOURCES=DIR ENV=DIR
	.venv/bin/python benchmarks/source_matching.py --pairs $(PAIRS) --sources $(SOURCES) --python $(ENV)/bin/python \
		--record benchmarks/results/source_matching.json

# OBSERVED: a folder that keeps what was seen imported; filled if it is empty, else read.
eval-dependencies: setup .venv-peers/.made ## derived packages against real imports, pipreqs and fawltydeps beside: PAIRS= SOURCES= ENV=
	.venv/bin/python benchmarks/source_dependencies.py --pairs $(PAIRS) --sources $(SOURCES) --python $(ENV)/bin/python \
		$(if $(OBSERVED),--observed $(OBSERVED)) \
		--pipreqs ".venv-peers/bin/python benchmarks/peers_pipreqs.py" \
		--fawltydeps ".venv-peers/bin/fawltydeps --list-imports --code" --record benchmarks/results/source_dependencies.json

bench-source: setup ## from bare weights to a verified forward pass, and indexing a source: PAIRS=DIR SOURCES=DIR
	.venv/bin/python benchmarks/source_times.py --pairs $(PAIRS) --sources $(SOURCES) --index XPixelGroup+BasicSR \
		--index facebookresearch+dinov2 --record benchmarks/results/source_times.json

eval-preprocessing: setup ## constants read from the sources against labels: PAIRS=DIR SOURCES=DIR
	.venv/bin/python benchmarks/source_preprocessing.py --pairs $(PAIRS) --sources $(SOURCES) \
		--record benchmarks/results/source_preprocessing.json

# N mutants of each of pickles, zips, safetensors, GGUF and ONNX, OTHERS of each other format; S seconds at most for a
# part. CI takes 200,000 and 10,000; 5,000,000 pickles take some minutes.
N ?= 200000
OTHERS ?= $(N)
S ?= 3600
fuzz: setup ## mutate pickles, zips and headers on every core; N and OTHERS = mutants, S = seconds of each part
	.venv/bin/python -m tests.unit.checkpoints.fuzzing --mutants $(N) --others $(OTHERS) --seconds $(S)

# kill -9 in the middle of whole runs; the record lies under benchmarks/results/. CI takes a short form.
fault-kill: N = 200
fault-kill: setup zoo ## kill -9 at N random points of whole runs, venv and docker: nothing lost, all resumable
	.venv/bin/python -m tests.faults.killing --kills $(N)

fault-writes: N = 60
fault-writes: setup zoo ## let N writes of each kind fail (full, broken, forbidden disk): right code, nothing lost
	.venv/bin/python -m tests.faults.writing --writes $(N)

fault-concurrent: N = 20
fault-concurrent: setup zoo ## eight runs at once in one workspace, N rounds
	DNNBOX_ROUNDS=$(N) $(PYTEST) -n 0 tests/e2e/test_concurrent.py

bench-sandbox: setup ## measure what the sandbox costs: a job that does nothing, and a CPU loop's latencies
	.venv/bin/python benchmarks/sandbox.py --runs 15 --record benchmarks/results/sandbox.json

fault-engine: setup ## spoil every call to the engine in turn: cut, 500, no answer
	DNNBOX_FAULTS=all $(PYTEST) -n 2 tests/engine/boxes/test_engine_faults.py -m 'long or not long'

clean: ## remove what these targets made; experiments in tmp/ and checkpoints/ stay
	rm -rf .venv .venv-zoo .venv-peers .venv-timing-peers .cache .mypy_cache .ruff_cache .pytest_cache build dist ./*.egg-info
