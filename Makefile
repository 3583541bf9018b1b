PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
GPU    ?= 0
PORT   ?= 3000
ROUNDS ?= 3

.PHONY: setup demo ui test lint docs bench clean
.DEFAULT_GOAL := setup

# Installs the packages into .venv and fetches the open model pack. GPU=1 replaces onnxruntime by onnxruntime-gpu:
# both own the same files, and insightface asks for the former, so the swap comes last. Where Python may not keep what
# it compiled (PYTHONDONTWRITEBYTECODE), each start would compile our modules again, 0.4 s.
setup: $(STAMP)
	@$(BIN)/python -m compileall -q screenalytics_assets resources
	@$(BIN)/screenalytics models pull open
ifeq ($(GPU),1)
	$(BIN)/python -m pip uninstall --quiet --yes onnxruntime onnxruntime-gpu
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "onnxruntime-gpu[cuda,cudnn]"
endif

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or make PYTHON=python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[postgres,dev]"
	@touch $(STAMP)

# Renders two short episodes from sample photographs, runs the graph on them, prints who was found.
demo: setup
	$(BIN)/screenalytics demo

# The Dagster UI with its daemon.
ui: setup
	$(BIN)/screenalytics ui --port $(PORT)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Writes the pages of docs/ that are made from the code.
docs: setup
	$(BIN)/python -m screenalytics_assets.docs_generator.pages

# Two processes, a file in one of them; the browser tests by themselves, since they wait for a daemon and a page.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile tests/unit tests/ml tests/orchestration
	$(BIN)/pytest tests/e2e

# The plain pipeline, ours and the floor, taking turns; then ours over the length of the video and the faces in a
# frame. Without VIDEO on the demo's footage, without MODEL_DIR (an SCRFD and an ArcFace file) with the pack open.
bench: setup
	$(BIN)/python -m tests.benchmarks.compare $(if $(VIDEO),"$(VIDEO)") $(if $(MODEL_DIR),--model-dir "$(MODEL_DIR)") --rounds $(ROUNDS)
	$(BIN)/python -m tests.benchmarks.scaling --minutes 1 3 10 --faces 1 2 3 5 10 $(if $(MODEL_DIR),--model-dir "$(MODEL_DIR)")

clean:
	rm -rf $(VENV) .dagster_home data .pytest_cache .mypy_cache .ruff_cache .hypothesis
