# Every target makes the virtual environment it needs (.ci/venv.py); nothing has to be installed by hand.
#   make gpt       train a character GPT and print what it writes
#   make test      run the tests
# Settings: VENV (the environment's folder), PYTHON (3.11 or newer), PYTEST_ARGS, GPT_TRAIN, GPT_SAMPLE, RUN.

VENV ?= .venv

# The first Python that is new enough; a pyenv shim or an old `python3` does not stop the search.
ifndef PYTHON
PYTHON := $(shell for p in python3 python python3.14 python3.13 python3.12 python3.11; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
endif

ifeq ($(OS),Windows_NT)
PY = "$(VENV)/Scripts/python"
else
PY = "$(VENV)/bin/python"
endif

# $(call venv,extras): an environment with these extras is there when the next line runs.
venv = @"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Python 3.11 or newer is needed, and $(or $(PYTHON),what python3 and python name) is not one." >&2; exit 1; }; \
  "$(PYTHON)" .ci/venv.py "$(VENV)" $(1)

RUN ?= runs/gpt
GPT_TRAIN ?= --preset tiny
GPT_SAMPLE ?=
PYTEST_ARGS ?=
MUTATE_ARGS ?=
BENCH_ARGS ?=
EXTRAS ?= test dev cli plot safetensors

.PHONY: help venv gpt test test-gpu test-random bench-gpu lint format bench bench-quick docs docs-test coverage mutate clean

help:
	@sed -n '2,4p' Makefile
	@echo '# Targets: gpt test test-gpu test-random lint format bench bench-quick docs docs-test coverage mutate venv clean'

venv:
	$(call venv,$(EXTRAS))

gpt:
	$(call venv,cli)
	$(PY) -m models.gpt train $(GPT_TRAIN) --out "$(RUN)"
	$(PY) -m models.gpt sample --out "$(RUN)" $(GPT_SAMPLE)

# Both cores where pytest-xdist is there.
test:
	$(call venv,test)
	@parallel=$$($(PY) -c 'from importlib.util import find_spec as f; print("-n auto" if f("xdist") else "")'); \
	set -x; $(PY) -m pytest $$parallel $(PYTEST_ARGS)

# On a GPU (or DEVICE=simulated, which takes both cores): the device's own tests, then the whole suite with its tensors
# there (tests/device_mode.py). Both are run even if the first fails.
DEVICE ?= cuda
test-gpu:
	$(call venv,test$(if $(filter simulated,$(DEVICE)), gputest))
	@status=0; parallel=$$($(PY) -c 'from importlib.util import find_spec as f; \
	  print("-n auto" if "$(DEVICE)" == "simulated" and f("xdist") else "")'); set -x; \
	$(PY) -m pytest $$parallel tests/gpu --device-tests-on=$(DEVICE) $(PYTEST_ARGS) || status=1; \
	$(PY) -m pytest $$parallel --device=$(DEVICE) --ignore=tests/gpu $(PYTEST_ARGS) || status=1; \
	exit $$status

# Every row of the benchmark on the CPU and on the GPU (or DEVICE=simulated, without times).
bench-gpu:
	$(call venv,cli plot)
	$(PY) -m benchmarks.gpu --on $(DEVICE) $(BENCH_ARGS)

lint:
	$(call venv,dev)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format:
	$(call venv,dev)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench:
	$(call venv,cli)
	$(PY) -m benchmarks

# Seconds: ratios against raw NumPy beside a stored baseline; fails if one has become 30 % worse.
bench-quick:
	$(call venv,cli)
	$(PY) -m benchmarks.regressions

# Every picture of the documentation, from real runs (minutes); PICTURES names some of them.
docs:
	$(call venv,cli plot data)
	$(PY) docs/pictures.py $(PICTURES)

docs-test:
	$(call venv,test)
	$(PY) -m pytest tests/test_docs.py $(PYTEST_ARGS)

# Lines and branches of tinygrad_zth/; fails below the share in setup.cfg. torch is the oracle of many tests, and
# CuPy on a simulated device runs what is written for a GPU (g++ is needed).
coverage:
	$(call venv,test parity gputest plot safetensors tensorboard data cli)
	$(PY) -m pytest -n auto --cov --cov-report=term --cov-report=html $(PYTEST_ARGS)

# In random order, in an environment of its own (the plugin would shuffle every other run): once for each of SEEDS.
SEEDS ?= 1 2 3
test-random:
	$(MAKE) VENV="$(VENV)-random" EXTRAS="test parity random plot safetensors tensorboard data cli" venv
	set -e; for seed in $(SEEDS); do \
	  "$(VENV)-random/bin/python" -m pytest -n auto -p randomly --randomly-seed=$$seed $(PYTEST_ARGS); done

# Breaks every gradient formula in every small way, and fails where the proofs notice fewer than 98 % (docs/mutation.md).
mutate:
	$(call venv,test)
	$(PY) .ci/mutate.py $(MUTATE_ARGS)

clean:
	rm -rf build dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache ./*.egg-info
