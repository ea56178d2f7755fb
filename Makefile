# Everything that a fresh machine needs beyond Python, Go and make is installed by these targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml requirements.lock 2>/dev/null | sha256sum | cut -c1-12)
CLUSTER ?= local
PROCESSES ?= 2
REPEAT ?= 10
QUIET_SECONDS ?= 600
QUIET_MODELS ?= 200
PACKING = PYTHONPATH=tools $(CURDIR)/$(BIN)/python -m helmchart
DEVCLUSTER = PYTHONPATH=tools $(CURDIR)/$(BIN)/python -m devcluster

.DEFAULT_GOAL := help
.PHONY: help demo down test soak check format generate package audit bench e2e lock clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else "Python 3.11 or later is needed, this is %d.%d; set PYTHON=python3.12, say" % v)'
	@echo "Installing Python dependencies into $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Boot a cluster, start the operator, place the samples (CLUSTER=local|current|kind, SIMULATE=1)
	@$(DEVCLUSTER) demo --cluster $(CLUSTER) $(if $(SIMULATE),--simulate)

down: $(STAMP) ## Stop the demo cluster and remove its state
	@$(DEVCLUSTER) down

check: $(STAMP) ## Lint, types, layers
	$(BIN)/ruff format --check operator tools bench images e2e tests
	$(BIN)/ruff check operator tools bench images e2e tests
	$(BIN)/mypy
	$(BIN)/lint-imports

TEST_TOOLS = health helm-docs helm-unittest helm3 helm4 kubeconform registry

# Built before the whole suite begins, since a build takes both cores for minutes from tests that others time.
test: check ## All checks and tests, those on a real API server included (PROCESSES=2)
	@$(DEVCLUSTER) binaries
	$(if $(ARGS),,@$(DEVCLUSTER) binaries $(TEST_TOOLS))
	$(BIN)/python -m pytest -n $(PROCESSES:1=0) $(ARGS)

soak: $(STAMP) ## The long survival tests (REPEAT=10, QUIET_SECONDS=600, QUIET_MODELS=200), with a table at the end
	@$(DEVCLUSTER) binaries
	STOWAGE_SOAK=1 STOWAGE_REPEAT=$(REPEAT) STOWAGE_QUIET_SECONDS=$(QUIET_SECONDS) \
	    STOWAGE_QUIET_MODELS=$(QUIET_MODELS) $(BIN)/python -m pytest tests/survival -v -s $(ARGS)

format: $(STAMP) ## Format the code
	$(BIN)/ruff format operator tools bench images e2e tests
	$(BIN)/ruff check --fix operator tools bench images e2e tests

generate: $(STAMP) ## Write crds/, roles, the chart's generated files, docs/reference/, docs/examples/ and the output shown in docs/
	$(BIN)/stowage crds generate crds
	$(BIN)/stowage reference generate docs/reference
	$(BIN)/stowage permissions > tests/cluster/rbac.yaml
	$(PACKING) generate
	$(BIN)/stowage permissions > manifests/base/rbac.yaml
	$(BIN)/stowage permissions --watch-namespace models > manifests/overlays/namespaced/rbac.yaml
	$(BIN)/stowage crds generate manifests/crds
	@mkdir -p docs/examples
	$(DEVCLUSTER) fleet > docs/examples/fleet.yaml
	$(BIN)/python tests/docs/console.py docs/deciding.md docs/plan.md

package: $(STAMP) ## Write dist/stowage-VERSION.tgz, the Helm chart
	@$(PACKING) package

UV_LOCK = $(CURDIR)/$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header

# The image's two files are constrained by the first: the image holds the very versions that are tested.
lock: $(STAMP) ## Pin all dependencies anew
	$(UV_LOCK) --universal --group dev pyproject.toml -o requirements.lock
	$(UV_LOCK) --python-platform linux -c requirements.lock pyproject.toml -o requirements-operator.lock
	$(UV_LOCK) --python-platform linux --group image -o requirements-build.lock
	cd images/onnx && $(UV_LOCK) --python-platform linux pyproject.toml -o requirements.lock
	cd images/onnx && $(UV_LOCK) --python-platform linux -c requirements.lock --group test pyproject.toml \
	    -o requirements-test.lock
	cd images/onnx && $(UV_LOCK) --python-platform linux -c ../../requirements-build.lock --group image \
	    -o requirements-build.lock
	cd images/builder && $(UV_LOCK) --python-platform linux pyproject.toml -o requirements.lock
	cd images/builder && $(UV_LOCK) --python-platform linux -c ../../requirements-build.lock --group image \
	    -o requirements-build.lock
	cd images/fetcher && $(UV_LOCK) --python-platform linux -c ../../requirements.lock pyproject.toml -o requirements.lock
	cd images/fetcher && $(UV_LOCK) --python-platform linux -c ../../requirements-build.lock --group image \
	    -o requirements-build.lock

bench: $(STAMP) ## Measure decisions and the operator, and compare with the last time (ARGS="fleet storm --nodes 500", ARGS=--help)
	@PYTHONPATH=.:tools $(BIN)/python -m bench $(ARGS)

e2e: $(STAMP) ## Install it on a cluster with real pods, and try all of it (CLUSTER=local|kind)
	@PYTHONPATH=.:operator:tools $(BIN)/python -m e2e --cluster $(CLUSTER) -- $(ARGS)

audit: $(STAMP) ## Licences of what is locked, and known vulnerabilities with OSV=all.zip (advisories in the OSV format)
	@PYTHONPATH=tools $(BIN)/python -m audit $(if $(OSV),--osv $(OSV))

clean: ## Remove the virtual environment and caches in the tree
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
