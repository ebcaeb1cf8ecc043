# Two commands on a fresh machine:  make demo   and   make test
# Both make .venv themselves; "make setup" does only that.
#
# A CPU build of torch that pip is configured to find (find-links, PIP_FIND_LINKS) is used: uv does not read
# pip's configuration, so it is handed on here. Elsewhere set UV_TORCH_BACKEND=cpu to avoid the CUDA build.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
JOBS   ?= 2

export UV_FIND_LINKS ?= $(or $(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))

.PHONY: setup demo test test-slow lint bench results lock clean help

help:  ## Show the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP)  ## Create .venv with everything, and fetch Triton.

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Loc3R needs Python 3.11 or newer")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	$(BIN)/python -m loc3r.services.triton install
	touch $@

demo: $(STAMP)  ## The main job end to end: rooms, pipeline, training, gate, Triton, a picture.
	$(BIN)/loc3r demo

test: lint  ## Lint, types and every test of seconds, in parallel.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

test-slow: $(STAMP)  ## The proofs that take minutes; those that need root or a tool say so when they are skipped.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)  ## Every benchmark; figures go into benchmarks/README.md by hand.
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

# REAL holds SQA3D's and VSI-Bench's public files, in sqa3d/ and vsibench/. The shipped checkpoint names its evaluation.
SQA3D = $(REAL)/sqa3d/v1
ASKED = runs/cousins/$$(sha256sum checkpoints/rooms-tiny/model.safetensors | cut -c -12)

results: $(STAMP)  ## Evaluate the shipped checkpoint on cousins of real layouts; write docs/results.md (REAL=folder).
	$(BIN)/loc3r up
	$(BIN)/loc3r synth cousins --out data/cousins --boxes $(REAL)/vsibench/scannet_meta_info_val.json \
		--situations $(SQA3D)_situations_val_scannetv2.json \
		--annotations $(SQA3D)_localization_annotations_val_scannetv2.json \
		--questions $(SQA3D)_balanced_questions_val_scannetv2.json \
		--answers $(SQA3D)_balanced_sqa_annotations_val_scannetv2.json
	for name in sqa3d-localization sqa3d; do $(BIN)/loc3r evaluate --benchmark $$name --data data/cousins \
		--model checkpoints/rooms-tiny --out $(ASKED)/$$name || exit 1; done
	$(BIN)/loc3r results --out docs/results.md --model checkpoints/rooms-tiny

lock: $(STAMP)  ## Resolve the lock file again (no hosts and no build tags in it).
	$(BIN)/uv pip compile --quiet --no-header --no-annotate --python-version 3.11 --all-extras pyproject.toml \
		| sed 's/+cpu$$//' > requirements.lock

clean:  ## Remove what was made here; keeps .venv and .cache.
	-$(BIN)/loc3r down
	rm -rf runs data .loc3r
