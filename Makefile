PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
GPU    ?= 0
PORT   ?= 3000
ROUNDS ?= 3
TRIES  ?=
HOURS  ?=
BASE   ?= main
FAULTS := readers corrections new_homes kills disks

.PHONY: setup demo ui check test faults lint docs bench clean
.DEFAULT_GOAL := setup

# Installs the packages into .venv and fetches the open model pack. GPU=1 replaces onnxruntime by onnxruntime-gpu:
# both own the same files, and insightface depends on onnxruntime, so the swap comes last. Our modules are compiled here
# because with PYTHONDONTWRITEBYTECODE set, each start would compile them again (0.4 s).
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

# Renders two short episodes from sample photographs, runs the graph on them and prints who was found.
demo: setup
	$(BIN)/screenalytics demo

# The Dagster UI with its daemon.
ui: setup
	$(BIN)/screenalytics ui --port $(PORT)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

# The inner loop: linter, import rules, types, and the unit tests nearest to what differs from BASE. Under a minute,
# but for the tests of the embedded PostgreSQL server.
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	@tests=$$($(BIN)/python -m tests.changed --base $(BASE)) && \
	if [ -n "$$tests" ]; then $(BIN)/pytest -q -n 2 $$tests; else echo "no unit test is near to what changed"; fi

# Writes the pages and pictures of docs/ that are generated from the code.
docs: setup
	$(BIN)/python -m screenalytics_assets.docs_generator.pages

# Two processes, each test file in one of them. The browser tests run alone because they wait for a daemon and a page.
test: lint
	$(BIN)/pytest -n 2 --dist loadfile tests/unit tests/ml tests/orchestration tests/faults
	$(BIN)/pytest tests/e2e

# Damages videos at random: TRIES of them (500 by default), or as many as HOURS allow. Prints the seed of each failure. Then
# the other programs of tests/faults, and the hypothesis tests with new examples. All of them run, and then make fails if one
# of them did.
faults: setup
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[fuzz]"
	@status=0; try() { echo "$$*"; "$$@" || { echo "exit status $$?: $$*"; status=1; }; }; \
	try $(BIN)/python -m tests.faults $(if $(HOURS),--hours $(HOURS)) $(if $(TRIES),--tries $(TRIES)); \
	for kind in $(FAULTS) $(if $(filter Linux,$(shell uname)),coverage_guided); do try $(BIN)/python -m tests.faults.$$kind; done; \
	try env HYPOTHESIS_PROFILE=random $(BIN)/pytest -q -m hypothesis tests/unit; \
	exit $$status

# Compares the plain pipeline, ours and the floor in alternating rounds, then measures ours by video length and by
# faces per frame. Defaults: the demo's footage instead of VIDEO, the open pack instead of MODEL_DIR (a folder with an
# SCRFD and an ArcFace file).
bench: setup
	$(BIN)/python -m tests.benchmarks.compare $(if $(VIDEO),"$(VIDEO)") $(if $(MODEL_DIR),--model-dir "$(MODEL_DIR)") --rounds $(ROUNDS)
	$(BIN)/python -m tests.benchmarks.scaling --minutes 1 3 10 --faces 1 2 3 5 10 $(if $(MODEL_DIR),--model-dir "$(MODEL_DIR)")

clean:
	rm -rf $(VENV) .dagster_home data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
