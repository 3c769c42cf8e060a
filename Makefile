# footballprediction. `make` lists the commands; each sets up what it needs.
#
# Needed by hand: Go, a C compiler and make, and once Node with npm (ONNX Runtime
# comes in an npm package). Tests and training also need Python. Downloads are
# pinned by hash and kept in CACHE for every clone of this user.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/footballprediction
BUF := tools/node_modules/.bin/buf
PYTHON_PACKAGES := models/.venv/synced
CLIENT_PACKAGES := .tmp/clients/synced
TRAINED_PACKAGES := .tmp/trained/synced
PERF_ANALYZER := .tmp/perf_analyzer/perf_analyzer
WEB_PACKAGES := serving/web/node_modules/.synced
GOLANGCI_VERSION := 2.15.0
GOLANGCI := $(CACHE)/golangci-lint-$(GOLANGCI_VERSION)

# Match history to train on and, if the folder is there, bookmakers' odds to compare with.
DATA := ../shared/data/open/pddl
ODDS := ../shared/data/results
# What to train: glm, which serves, or blend, which is released only if the gate finds it better.
RECIPE := glm
# FORCE, on the command line alone, says why what the gate refuses is promoted all the same.
FORCED = $(if $(filter command,$(origin FORCE)),--force "$$FORCE")

# How long each Go benchmark runs: a duration, or a count such as 1x.
BENCHTIME := 1s
BENCH := .tmp/bench

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build, then serve predictions on this machine's loopback
	bin/footballprediction serve

.PHONY: build
build: need-go bin/lib/libonnxruntime.so ## Build bin/footballprediction and the ONNX Runtime that it loads
	go build -trimpath -o bin/footballprediction ./cmd/footballprediction

.PHONY: test
test: build setup need-chromium need-redis-server ## Run every test: Go with the race detector, Python with a real MLflow, the page in Chromium
	go test -race -timeout 20m ./...
	go -C benchmarks/ghz test -race ./...
	cd serving/web && npm test
	cd models && .venv/bin/python -m pytest

.PHONY: bench
bench: $(BENCH) $(PYTHON_PACKAGES) need-redis-server ## Measure the server beside a bare echo, under load, also while models are swapped, and keep the table (half an hour)
	$(BENCH)/benchmarks -tools $(BENCH) -results benchmarks/results/load

.PHONY: bench-guard
bench-guard: $(BENCH) ## Fail if the server has become slower or allocates more (4 minutes)
	$(BENCH)/benchmarks -tools $(BENCH) -guard -results .tmp/guard

.PHONY: bench-go
bench-go: need-go need-redis-server bin/lib/libonnxruntime.so ## Run the Go benchmarks (BENCHTIME=1s)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

# The server, the echo, what loads them and what measures them.
.PHONY: $(BENCH)
$(BENCH): build need-h2load
	go build -trimpath -o $@/benchmarks ./benchmarks
	go build -trimpath -o $@/echo ./benchmarks/echo/serve
	go -C benchmarks/ghz build -trimpath -o ../../$@/ghz .

.PHONY: generate
generate: need-go $(BUF) .tmp/imports $(WEB_PACKAGES) ## Generate api/gen and the page's client from the .proto files; build the page
	$(BUF) generate
	$(BUF) generate --template serving/conformance/buf.gen.yaml
	$(BUF) generate --template serving/web/buf.gen.yaml
	cd serving/web && npm run build

.PHONY: lint
lint: SCRIPTS := . ../serving/openinference/testdata ../inference/onnx/testdata
lint: need-go need-shellcheck $(BUF) .tmp/imports $(GOLANGCI) $(PYTHON_PACKAGES) $(WEB_PACKAGES) ## Check style and the import rule: buf, golangci-lint, ruff, tsc, shellcheck
	$(BUF) lint
	$(BUF) format --diff --exit-code api
	$(GOLANGCI) run
	cd benchmarks/ghz && $(GOLANGCI) run
	! go list -f '{{if .CgoFiles}}{{.ImportPath}}: cgo stays in inference/onnx{{end}}' ./... | grep -v /inference/onnx:
	cd models && .venv/bin/ruff check --config pyproject.toml $(SCRIPTS) && .venv/bin/ruff format --check --config pyproject.toml $(SCRIPTS)
	cd serving/web && npm run check
	shellcheck .ci/run tools/*.sh

.PHONY: train
train: build $(PYTHON_PACKAGES) ## Train, judge and release the models with their cards (DATA=folder ODDS=folder RECIPE=glm FORCE=why)
	mkdir -p .tmp
	@flock --nonblock .tmp/train.lock true || { echo "another make train is at work here" >&2; exit 1; }
	flock .tmp/train.lock $(MAKE) --no-print-directory train-alone

# What two at once would write into one another.
.PHONY: train-alone
train-alone:
	rm -rf .tmp/state .tmp/rivals
	bin/footballprediction features export --data $(DATA) --parquet .tmp/features.parquet --state .tmp/state
	$(if $(wildcard $(ODDS)),bin/footballprediction features export --data $(ODDS) --odds .tmp/odds.parquet --parquet .tmp/wider.parquet)
	models/.venv/bin/python models/penaltyblog_models.py --features .tmp/features.parquet --out .tmp/rivals
	kept_out=0; models/.venv/bin/python models/train.py --recipe $(RECIPE) --features .tmp/features.parquet --rivals .tmp/rivals \
		--released models/released $(if $(wildcard $(ODDS)),--odds .tmp/odds.parquet --wider .tmp/wider.parquet) $(FORCED) || kept_out=$$?; \
	case $$kept_out in \
	0) rm -rf models/released/state && mv .tmp/state models/released/state ;; \
	3) ;; \
	*) exit $$kept_out ;; \
	esac

.PHONY: clean
clean: ## Remove what was built here (downloads in the user's cache stay)
	rm -rf bin .tmp serving/web/.test

.PHONY: setup
setup: need-go bin/lib/libonnxruntime.so $(BUF) $(PYTHON_PACKAGES) $(CLIENT_PACKAGES) $(TRAINED_PACKAGES) $(PERF_ANALYZER) $(WEB_PACKAGES) ## Fetch everything that building and testing need
	go mod download
	go tool -modfile=tools/go.mod connectconformance --version
	go -C benchmarks/ghz mod download

.PHONY: need-go need-shellcheck need-chromium need-redis-server need-h2load
need-go:
	@tools/need.sh go gcc
need-shellcheck:
	@tools/need.sh shellcheck
need-chromium:
	@tools/need.sh chromium
need-redis-server:
	@tools/need.sh redis-server
need-h2load:
	@tools/need.sh h2load

bin/lib/libonnxruntime.so: tools/onnxruntime.sh
	@tools/onnxruntime.sh $@ $(CACHE)

$(PYTHON_PACKAGES): models/requirements.lock
$(CLIENT_PACKAGES): serving/openinference/testdata/requirements.lock
$(TRAINED_PACKAGES): inference/onnx/testdata/requirements.lock
$(PYTHON_PACKAGES) $(CLIENT_PACKAGES) $(TRAINED_PACKAGES): tools/python.sh tools/uv.txt
	@tools/python.sh $(@D) $(filter %.lock,$^) $(CACHE)
	@touch $@

$(PERF_ANALYZER): tools/perf_analyzer.sh serving/openinference/testdata/perf_analyzer.txt
	@tools/perf_analyzer.sh $(@D) $(filter %.txt,$^)
	@touch $@

$(BUF): tools/package-lock.json tools/.npmrc
	@tools/need.sh node npm
	cd tools && npm ci
	@mkdir -p $(dir $(BUF)) && cd $(dir $(BUF)) && ln -sf ../@bufbuild/buf-linux-*/bin/buf buf
	@touch $@

$(WEB_PACKAGES): serving/web/package-lock.json serving/web/.npmrc
	@tools/need.sh node20 npm
	cd serving/web && npm ci
	@touch $@

.tmp/imports: tools/go.mod tools/go.sum tools/imports.sh
	@tools/imports.sh $@
	@touch $@

# Apart from tools/go.mod, where its few hundred dependencies would decide the versions of the rest.
$(GOLANGCI):
	@mkdir -p $(@D)
	@echo "Building golangci-lint $(GOLANGCI_VERSION) (a few minutes, once) ..."
	@scratch=$$(mktemp -d $@.XXXXXX); trap "rm -rf $$scratch" EXIT; \
	GOBIN=$$scratch go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(GOLANGCI_VERSION); \
	mv -f $$scratch/golangci-lint $@
