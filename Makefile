# Everything lives in .venv; a stamp file there says what is installed, so a second `make` installs nothing.
VENV := .venv
BIN := $(VENV)/bin
SUITABLE := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(shell $(p) -c '$(SUITABLE)' 2>/dev/null && echo $(p))))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
MODEL ?= checkpoints/mine
WEB ?= []
MASKS ?=
ARGS ?=
# A worker on each core; a file's tests go to the same one, for they share what is costly (docs/testing.md).
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev app segment test test-all lint format audit container-check train evaluate gpu-check benchmark clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found. Install one, or say which: make setup PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: requirements.txt | $(BIN)/python
	@echo "Installing the app's packages into $(VENV) (a few minutes the first time)"
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.dev: train/requirements.txt requirements-cluster.txt requirements-heic.txt requirements-dev.txt $(VENV)/.app
	@echo "Installing what training and tests need"
	$(PIP) -r requirements.txt -r train/requirements.txt -r requirements-cluster.txt -r requirements-heic.txt -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.app ## create .venv with everything the app needs

setup-dev: $(VENV)/.dev ## the same, with training and tests

app: $(VENV)/.app ## set up, then open the explorer; ARGS="--port 7861"
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.dev ## set up, then run all but the slow tests; or those of your choice: ARGS="-k peaks"
	$(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL) -m "not slow")

test-all: $(VENV)/.dev ## run every test; ARGS="-m slow" runs those that make test leaves out
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: $(VENV)/.dev ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## let ruff format and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

audit: $(VENV)/.dev ## ask for known vulnerabilities of all that is installed; accepted ones are in .ci/audit-accepted.toml
	$(BIN)/python .ci/audit.py

container-check: $(VENV)/.dev ## run the Dockerfile's steps and its app without a container engine: read-only, no root, no network
	$(BIN)/python .ci/container.py

train: $(VENV)/.dev ## train all five networks; VOC=... MASKS='["/data/masks"]' [WEB='["/data/web"]'] [MODEL=checkpoints/mine]
	@test -n "$(VOC)" -a -n '$(MASKS)' || { echo "Say where the data lies: make train VOC=/data/VOCdevkit/VOC2012 MASKS='[\"/data/instance_masks\"]'"; exit 2; }
	$(BIN)/python -m train.classifier fit --config train/configs/classifier-lite.yaml --data.voc_kit "$(VOC)" --data.csv_folders '$(WEB)'
	$(BIN)/python -m train.classifier export runs/classifier-lite/last.ckpt "$(MODEL)"
	$(BIN)/python -m train.contours fit --config train/configs/contours.yaml --data.masks '$(MASKS)'
	$(BIN)/python -m train.contours export runs/contours/last.ckpt "$(MODEL)"
	$(BIN)/python -m train.objectness fit --config train/configs/objectness.yaml --data.masks '$(MASKS)' --data.contours "$(MODEL)"
	$(BIN)/python -m train.objectness export runs/objectness/last.ckpt "$(MODEL)"
	$(BIN)/python -m train.icn fit --config train/configs/icn-saliency-lite.yaml --data.init_args.classifier "$(MODEL)" --data.init_args.folders '$(MASKS)'
	$(BIN)/python -m train.icn export runs/icn-saliency-lite/last.ckpt "$(MODEL)" icn-saliency
	$(BIN)/python -m train.icn fit --config train/configs/icn-proposal-lite.yaml --data.init_args.classifier "$(MODEL)" --data.init_args.contours "$(MODEL)" --data.init_args.voc_kit "$(VOC)"
	$(BIN)/python -m train.icn export runs/icn-proposal-lite/last.ckpt "$(MODEL)" icn-proposal

evaluate: $(VENV)/.dev ## measure a model; VOC=.../VOCdevkit/VOC2012 ARGS="--limit 50"
	@test -n "$(VOC)" || { echo "Say where PASCAL VOC 2012 lies: make evaluate VOC=/data/VOCdevkit/VOC2012"; exit 2; }
	$(BIN)/python -m train.evaluate --voc "$(VOC)" --split val $(ARGS)

gpu-check: $(if $(GPU_PYTHON),,$(VENV)/.dev) ## compare a CUDA card with the processor, then time both; a rehearsal where there is none. GPU_PYTHON=python3 uses what is installed
	@GPU=$$($(or $(GPU_PYTHON),$(BIN)/python) -c 'import torch; print("" if torch.cuda.is_available() else "rehearsal")') && \
	{ test -z "$$GPU" || echo "There is no CUDA card here: this is a rehearsal on the processor."; } && \
	export WSIS_GPU=$$GPU && \
	$(or $(GPU_PYTHON),$(BIN)/python) -m pytest -m gpu tests/gpu -p no:cacheprovider -n 0 $(ARGS) && \
	$(or $(GPU_PYTHON),$(BIN)/python) -m benchmarks gpu --runs $(if $(RUNS),$(RUNS),5)

benchmark: $(VENV)/.dev ## time the stages on this machine
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove .venv, caches and unfinished runs
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .cache build dist
