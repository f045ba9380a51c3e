# Every step a fresh machine needs is here: git, make and Python 3.11 or newer are all that must be there before.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARTS := libs/contracts libs/runtime services/ingest services/transform services/trainer services/serving \
  services/gateway services/controller local
TESTS := $(foreach part,$(PARTS),$(part)/tests) tests/contract tests/deploy \
  tests/orchestration bench/scale/tests tests/integration tests/chaos
CONFORMANCE_HOME := $(or $(TIDEMILL_CONFORMANCE_HOME),$(HOME)/.cache/tidemill-conformance)
CONFORMANCE := $(patsubst tests/conformance/requirements/%.txt,$(CONFORMANCE_HOME)/%/.installed, \
  $(wildcard tests/conformance/requirements/*.txt))
IMAGES := $(notdir $(filter services/%,$(PARTS))) local
IMAGE_OPTIONS = $(BUILD_OPTIONS) $(if $(BASE),--build-arg BASE=$(BASE))
export UV_PYTHON := $(BIN)/python

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo up test test-fast test-integration test-alone chaos lint types generate lock images clean \
  conformance conformance-peers cloud-tools cluster images-test

help: ## Show what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

setup: $(VENV)/.run ## Create the virtual environment with all that Tidemill needs to run

setup-dev: $(VENV)/.dev ## Add what its tests and checks need

demo: setup ## Drop a month of real flights, watch it become a served model, ask it
	@$(BIN)/tidemill demo

up: setup ## Start Tidemill here and keep it running; Ctrl-C stops it
	@$(BIN)/tidemill up

test: lint types test-fast test-integration ## Run every check and test; of the chaos tier, five kills

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup-dev
	$(BIN)/mypy $(foreach part,$(PARTS),$(part)/src) bench/scale/tidemill_scale
	@for tests in $(TESTS) tests/cloud tests/cluster tests/images tests/smoke; do $(BIN)/mypy $$tests || exit 1; done

test-fast: setup-dev ## Each part's own tests
	$(BIN)/pytest -q -n 2 --dist loadfile $(filter-out tests/integration tests/chaos,$(TESTS))

test-integration: setup-dev ## All services together, as real processes
	$(BIN)/pytest -q -n 2 --dist loadfile tests/integration tests/chaos

test-alone: setup-dev ## Each service in an environment with nothing but what it declares
	@for service in ingest transform trainer serving gateway controller; do scripts/test-alone $$service || exit 1; done

chaos: setup-dev ## Kill processes at random moments of the flow, 50 seeds
	$(BIN)/pytest -q tests/chaos --kills 50

images: ## Build every image with the Docker engine, as tidemill-NAME:TAG; BASE is another base
	@for name in $(IMAGES); do docker build $(IMAGE_OPTIONS) -t tidemill-$$name:$(or $(TAG),dev) \
	  -f $$(test $$name = local || echo services/)$$name/Dockerfile . || exit 1; done

images-test: setup-dev ## Build and start them all, with no rights; without an engine, install as one of them does
	$(BIN)/pytest -q tests/images --image-base="$(BASE)" --image-build-options="$(BUILD_OPTIONS)"

cluster: setup-dev ## The chart in a real cluster, through upgrades and kills: CLUSTER is its kubeconfig
	$(BIN)/pytest -q tests/cluster $(if $(CLUSTER),--kubeconfig=$(CLUSTER)) \
	  --image-registry=$(IMAGE_REGISTRY) --image-tag=$(or $(IMAGE_TAG),dev)

cloud-tools: setup-dev ## What is written for gcloud and skaffold, asked of gcloud and skaffold; offline
	$(BIN)/pytest -q tests/cloud

conformance: setup-dev $(CONFORMANCE) ## Public clients of every protocol against a live gateway
	TIDEMILL_CONFORMANCE_HOME=$(CONFORMANCE_HOME) $(BIN)/pytest -q tests/conformance \
	  --conformance-results=tests/conformance/results/tidemill.json

conformance-peers: setup-dev $(CONFORMANCE) ## The same list against MLServer and KServe; writes the matrix
	-for peer in mlserver kserve; do TIDEMILL_CONFORMANCE_HOME=$(CONFORMANCE_HOME) $(BIN)/pytest -q --tb=no \
	  tests/conformance --conformance-server=$$peer --conformance-results=tests/conformance/results/$$peer.json; done
	$(BIN)/python tests/conformance/matrix.py

$(CONFORMANCE_HOME)/%/.installed: tests/conformance/requirements/%.txt $(VENV)/.uv
	@$(BIN)/uv venv -q --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install -q --python $(@D)/bin/python -r $<
	@touch $@

generate: setup-dev ## Regenerate protobuf code and rendered manifests
	scripts/generate

lock: $(VENV)/.dev ## Resolve all dependencies anew
	scripts/lock

$(VENV)/.uv: requirements/bootstrap.txt
	@scripts/make-venv $(PYTHON) $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements/run.txt $(foreach part,$(PARTS),$(part)/pyproject.toml)
	@echo "Installing Tidemill (about 3 GB, most of it TensorFlow) ..."
	@$(BIN)/uv pip install -q --require-hashes -r requirements/run.txt
	@$(BIN)/uv pip install -q --no-deps --no-build-isolation $(foreach part,$(PARTS),-e $(part))
	@sync # what was just written would otherwise slow the first start down
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@$(BIN)/uv pip install -q --require-hashes -r requirements/dev.txt
	@touch $@

clean: ## Remove the virtual environment and local state
	rm -rf $(VENV) .tidemill
