# Each target makes the environment it needs in .venv, from Python 3.11 (or newer) alone.
#   make demo    the whole flow on real text: about six minutes on two cores
#   make test    every test on TensorFlow, then the backend tests on JAX and on PyTorch without TensorFlow
#   make lint    ruff and mypy
#   make bench   the benchmarks

PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider --durations 20
WORKERS ?= 2

# What runs on every backend (tests/conftest.py marks it) and can be collected where TensorFlow cannot be imported.
BACKEND_TESTS := $(wildcard tests/layers tests/models tests/recording tests/objectives tests/tasks tests/generation tests/interop/test_assignment.py tests/interop/test_hugging_face.py tests/interop/test_keras_hub.py tests/interop/test_tasks.py tests/training tests/data/test_batches.py tests/data/test_labelled_batches.py tests/data/test_masked_records.py tests/evaluation/test_attention_maps.py)
WITHOUT_TENSORFLOW := PYTHONPATH=tests/without_tensorflow$${PYTHONPATH:+:$$PYTHONPATH}

# JAX keeps what it compiled, so that tests which are run again take a third of the time.
JAX_CACHE := JAX_COMPILATION_CACHE_DIR=$(CURDIR)/.venv/jax JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1

.PHONY: demo test test-tensorflow test-jax test-torch lint bench clean

demo: .venv/base.stamp
	$(BIN)/kpt demo --out demo --saved-models saved_models --overwrite

test: test-tensorflow test-jax test-torch

test-tensorflow: .venv/test.stamp
	KERAS_BACKEND=tensorflow $(PYTEST) -n $(WORKERS) --dist loadfile

test-jax: .venv/test.stamp
	$(WITHOUT_TENSORFLOW) $(JAX_CACHE) KERAS_BACKEND=jax $(PYTEST) -n $(WORKERS) --dist loadfile -m backends $(BACKEND_TESTS)

test-torch: .venv/test.stamp
	$(WITHOUT_TENSORFLOW) KERAS_BACKEND=torch OMP_NUM_THREADS=1 $(PYTEST) -n $(WORKERS) --dist loadfile -m backends $(BACKEND_TESTS)

lint: .venv/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench.stamp
	$(BIN)/python -m benchmarks.data
	$(BIN)/python -m benchmarks.pretraining
	$(BIN)/python -m benchmarks.nanogpt
	$(BIN)/python -m benchmarks.generation
	$(BIN)/python -m benchmarks.word2vec
	$(BIN)/python -m benchmarks.finetuning
	$(BIN)/python -m benchmarks.length_buckets
	$(BIN)/python -m benchmarks.multi_task
	$(BIN)/python -m benchmarks.checkpoints
	$(BIN)/python -m benchmarks.kills
	$(BIN)/python -m benchmarks.devices
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.memory

clean:
	rm -rf .venv demo

.venv/pip.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kpt needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/base.stamp: .venv/pip.stamp pyproject.toml
	$(PIP_INSTALL) --editable .
	@touch $@

.venv/test.stamp: .venv/base.stamp
	$(PIP_INSTALL) --editable '.[test]'
	@touch $@

.venv/lint.stamp: .venv/base.stamp
	$(PIP_INSTALL) --editable '.[lint]'
	@touch $@

.venv/bench.stamp: .venv/test.stamp
	$(PIP_INSTALL) --editable '.[benchmarks]'
	@touch $@
