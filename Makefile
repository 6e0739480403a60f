# Everything lives in .venv; a stamp file there says what is installed, so a second `make` installs nothing.
VENV := .venv
BIN := $(VENV)/bin
SUITABLE := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(shell $(p) -c '$(SUITABLE)' 2>/dev/null && echo $(p))))
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Where this is set, as in many containers, every worker would rewrite the assertions of all tests again.
unexport PYTHONDONTWRITEBYTECODE
MODEL ?= checkpoints/mine
WEB ?= []
MASKS ?=
ARGS ?=
# tests/conftest.py says how many workers; a file's tests go to the same one, for they share what is costly (docs/testing.md). One that hangs fails.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder --timeout 300

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev app segment test test-all mutants lint lint-scripts format audit container-check train teach evaluate gpu-check benchmark clean

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

$(VENV)/.mutmut: $(VENV)/.dev
	$(PIP) mutmut==3.8.1
	@touch $@

mutants: $(VENV)/.mutmut ## change the method's code at random and see whether a test notices; ARGS="--sample 20 wsis.peaks"
	$(BIN)/python .ci/mutants.py $(ARGS)

lint: $(VENV)/.dev lint-scripts ## check style, types and the direction of imports; the explorer's scripts too, where there is Node.js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# npm's own stamp of what is installed; `npm ci` keeps to the lock file.
NODE_TOOLS := tools/node_modules/.package-lock.json
NODE := $(shell command -v npm >/dev/null && node -e 'console.log(parseInt(process.versions.node) < 20 ? "" : "node")' 2>/dev/null)

$(NODE_TOOLS): tools/package-lock.json
	npm ci --prefix tools --no-audit --no-fund --silent
	@touch $@

lint-scripts: $(if $(NODE),$(NODE_TOOLS)) ## check style and types of the explorer's JavaScript, and its CSS, with Biome and TypeScript
	$(if $(NODE),npm run --prefix tools --silent lint,@echo "The explorer's JavaScript and CSS were not checked: this needs Node.js 20 or newer and npm, and none was found.")

format: $(VENV)/.dev $(if $(NODE),$(NODE_TOOLS)) ## let ruff, and Biome where there is Node.js, format and fix what they can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(if $(NODE),npm run --prefix tools --silent format)

audit: $(VENV)/.dev ## ask for known vulnerabilities of all that is installed; accepted ones are in .ci/audit-accepted.toml
	$(BIN)/python .ci/audit.py

container-check: $(VENV)/.dev ## run the Dockerfile's steps and its app without a container engine: read-only, no root, no network
	$(BIN)/python .ci/container.py

train: $(VENV)/.dev ## train all six networks; VOC=... MASKS='["/data/masks"]' [WEB='["/data/web"]'] [MODEL=checkpoints/mine]
	@test -n "$(VOC)" -a -n '$(MASKS)' || { echo "Say where the data lies: make train VOC=/data/VOCdevkit/VOC2012 MASKS='[\"/data/instance_masks\"]'"; exit 2; }
	$(BIN)/python -m train.classifier fit --config train/configs/classifier-lite.yaml --data.voc_kit "$(VOC)" --data.csv_folders '$(WEB)'
	$(BIN)/python -m train.classifier export runs/classifier-lite/last.ckpt "$(MODEL)"
	$(BIN)/python -m train.contours fit --config train/configs/contours.yaml --data.masks '$(MASKS)'
	$(BIN)/python -m train.contours export runs/contours/last.ckpt "$(MODEL)"
	$(BIN)/python -m train.icn fit --config train/configs/icn-saliency-lite.yaml --data.init_args.classifier "$(MODEL)" --data.init_args.folders '$(MASKS)'
	$(BIN)/python -m train.icn export runs/icn-saliency-lite/last.ckpt "$(MODEL)" icn-saliency
	$(BIN)/python -m train.icn fit --config train/configs/icn-instances-lite.yaml --data.init_args.classifier "$(MODEL)" --data.init_args.folders '$(MASKS)'
	$(BIN)/python -m train.icn export runs/icn-instances-lite/last.ckpt "$(MODEL)" icn-instances
	MADE=$$(ls -td .cache/composites/* | head -1) && MASKS=$$(echo '$(MASKS)' | sed "s|\]$$|, \"$$MADE\"]|") && \
	$(BIN)/python -m train.objectness fit --config train/configs/objectness.yaml --data.masks "$$MASKS" --data.contours "$(MODEL)"
	$(BIN)/python -m train.objectness export runs/objectness/last.ckpt "$(MODEL)"
	$(BIN)/python -m train.icn fit --config train/configs/icn-proposal-lite.yaml --data.init_args.classifier "$(MODEL)" --data.init_args.contours "$(MODEL)" --data.init_args.voc_kit "$(VOC)"
	$(BIN)/python -m train.icn export runs/icn-proposal-lite/last.ckpt "$(MODEL)" icn-proposal

teach: $(VENV)/.app ## teach classes of your own from labelled photos; PHOTOS=... [OUT=checkpoints/mine] ARGS="--labels FILE"
	@test -n "$(PHOTOS)" || { echo "Say where your photos lie, a folder a class or with --labels: make teach PHOTOS=/data/photos [ARGS=\"--labels FILE\"]"; exit 2; }
	$(BIN)/python -m wsis teach "$(PHOTOS)" --out "$(or $(OUT),$(MODEL))" $(ARGS)

evaluate: $(VENV)/.dev ## measure a model; VOC=.../VOCdevkit/VOC2012, or COCO=annotations.json PHOTOS=folder; ARGS="--limit 50"
	@test -n "$(VOC)$(COCO)" || { echo "Say which photos have masks: make evaluate VOC=/data/VOCdevkit/VOC2012, or make evaluate COCO=/data/annotations.json PHOTOS=/data/photos"; exit 2; }
	$(BIN)/python -m train.evaluate $(if $(COCO),--coco "$(COCO)" $(if $(PHOTOS),--photos "$(PHOTOS)"),--voc "$(VOC)" --split val) $(ARGS)

gpu-check: $(if $(GPU_PYTHON),,$(VENV)/.dev) ## compare a CUDA card with the processor, then time both; a rehearsal where there is none. GPU_PYTHON=python3 uses what is installed
	@GPU=$$($(or $(GPU_PYTHON),$(BIN)/python) -c 'import torch; print("" if torch.cuda.is_available() else "rehearsal")') && \
	{ test -z "$$GPU" || echo "There is no CUDA card here: this is a rehearsal on the processor."; } && \
	export WSIS_GPU=$$GPU && \
	$(or $(GPU_PYTHON),$(BIN)/python) -m pytest -m gpu tests/gpu -p no:cacheprovider -n 0 $(ARGS) && \
	$(or $(GPU_PYTHON),$(BIN)/python) -m benchmarks gpu --runs $(if $(RUNS),$(RUNS),5)

benchmark: $(VENV)/.dev ## time the stages on this machine
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove .venv, caches and unfinished runs
	rm -rf $(VENV) tools/node_modules .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .cache build dist
