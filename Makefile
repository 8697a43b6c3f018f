# Set-up and the commands of README.md and CONTRIBUTING.md. `make demo` and `make test` each work on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One PyTorch for everybody. It stands alone: its builds for CPU, CUDA and macOS share a version, and no hash.
TORCH ?= torch==2.13.0
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: install lock demo test lint types wheel bench bench-selection gpu docs clean

# Python compiles the modules that are imported; to compile all that lie there takes as long as to install them.
install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-compile --require-hashes --no-deps -r requirements.lock
	$(PIP) install --no-compile "$(TORCH)"
	$(PIP) install --no-build-isolation --no-deps -e .
	$(PIP) check
	touch $@

# Today's versions of all packages but torch, for every platform and Python from 3.11 on; then what they broke.
lock:
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	echo 'torch; python_version < "3"' > build/without
	echo setuptools | build/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-annotate --custom-compile-command "make lock" \
		--override build/without --extra dev --extra docs --extra hf --extra ray -o requirements.lock pyproject.toml -
	$(MAKE) lint types test

demo: install
	$(BIN)/windrow demo

# Three files of tests at a time, as the tests of one share what they are about, and many wait for servers; the longest
# are the first.
test: install
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 25

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

# The wheel, installed where this checkout is not: the command line starts, and algorithms need no Prefect.
wheel: install
	rm -rf build dist
	$(BIN)/python -m build --quiet --wheel
	$(BIN)/python .ci/check_wheel.py dist/*.whl

# Most need images and an encoder, by default in ../shared: see each script's --help. All of them take hours.
bench: install bench-selection
	$(BIN)/python tests/benchmarks/bench_cifar.py
	$(BIN)/python tests/benchmarks/bench_ingest.py --write
	$(BIN)/python tests/benchmarks/bench_labels.py --write
	$(BIN)/python tests/benchmarks/bench_label_settings.py
	$(BIN)/python tests/benchmarks/bench_belonging.py --write
	$(BIN)/python tests/benchmarks/bench_balance.py --write
	$(BIN)/python tests/benchmarks/bench_detection.py --write
	$(BIN)/python tests/benchmarks/bench_noise.py
	$(BIN)/python tests/benchmarks/bench_label_scale.py --write
	$(BIN)/python tests/benchmarks/bench_clustering.py --write
	$(BIN)/python tests/benchmarks/bench_encoders.py --write

# All tables of selection, about an hour of a core; what is done is kept, so it goes on where it was.
bench-selection: install
	$(BIN)/python tests/benchmarks/bench_selection_grid.py --write

# On a machine with a GPU: what is marked so, then its table, in under 10 minutes. Elsewhere both say that there is none.
gpu: install
	$(BIN)/python -m pytest -m gpu -q
	$(BIN)/python tests/benchmarks/bench_gpu.py

# Writes what is generated into README.md and docs/, and builds the site. To read it, with its search:
# python -m http.server --directory site
docs: install
	$(BIN)/python .ci/write_docs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build dist site *.egg-info data/demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
