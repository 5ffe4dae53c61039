# Thin names for what CMakePresets.json, tools/ and .venv do. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test clients-table loadtest lint go go-module docs tidy fuzz fuzz-long sanitize accuracy bench bench-peers wheel
.PHONY: try-install try-tools deploy-check k8s-test chart chart-tables chaos chaos-long reliability clean bootstrap bootstrap-demo
.PHONY: fleet fleet-long venv build server image try-image try-deployment sizing
PYTHON := .venv/bin/python

help:  ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

demo: bootstrap-demo server venv  ## Convert a Keras network, serve it, classify 1,000 images, print accuracy and speed
	$(PYTHON) tools/demo.py

test: bootstrap venv build  ## Build everything and run every test and check
	tools/test.sh

clients-table: venv  ## Write what the last test run has shown of each client into docs/clients.md
	$(PYTHON) tools/clients_table.py

lint: bootstrap venv  ## Layers, pages, formatting, ruff, mypy, gofmt, go vet, staticcheck
	tools/lint.sh

go: bootstrap  ## Generate and build the Go module and its examples (build/go)
	tools/go.sh build

go-module:  ## Change the path of the Go module everywhere: make go-module MODULE=example.com/you/spikeserve
	tools/go.sh module "$(MODULE)"

docs: bootstrap venv  ## Build build/docs/site: all pages, the references of the Python package and of the protocol
	tools/docs.sh

tidy: bootstrap  ## clang-tidy over the C++ code
	tools/preset.sh tidy

sanitize: bootstrap  ## All tests under ASan+UBSan, then engine and serving under TSan
	tools/preset.sh asan
	tools/preset.sh tsan

fuzz: bootstrap  ## Every fuzz target for a bounded time
	tools/preset.sh fuzz

fuzz-long: bootstrap  ## Every fuzz target for hours (FUZZ_HOURS=4), with a corpus that is kept
	tools/fuzz-long.sh $(TARGETS)

accuracy: bootstrap-demo server venv  ## Measure all networks and write docs/accuracy.md
	$(PYTHON) tools/accuracy_table.py
	$(PYTHON) tools/memory_table.py
	$(PYTHON) tools/mode_table.py

loadtest: bootstrap-demo server venv  ## Load a server with ghz, check its answers; build/loadtest/report.html (SHORT=1: seconds)
	$(PYTHON) tools/loadtest.py $(if $(SHORT),--short) $(ARGS)

bench: bootstrap-bench venv  ## Measure the CPU engine against a step loop and a float pass; build/bench.json
	tools/bench.sh

bench-peers: bootstrap-bench venv  ## Measure PyTorch, SpikingJelly, snnTorch and Sinabs beside spikeserve
	tools/bench.sh peers

wheel: bootstrap-demo  ## build/wheels: a source distribution, a wheel, and one that carries the server
	tools/wheel.sh

try-install: bootstrap venv wheel go  ## Install these wheels as a user would: in an empty environment, in an empty root
	tools/try-install.sh

try-tools: bootstrap venv server  ## Drive the server with tritonclient, kserve, perf_analyzer and grpcurl, fetched into build/tools
	tools/try-tools.sh

deploy-check: bootstrap venv server  ## The Helm chart and the examples for KServe: lint, schemas, their flags with a real server
	tools/deploy-check.sh

k8s-test: bootstrap venv  ## Give both to a real API server of Kubernetes, which is built once (7 minutes of a core)
	tools/deploy-check.sh api

chart:  ## build/charts/spikeserve-VERSION.tgz, for a registry of charts
	tools/chart.sh

chart-tables: bootstrap venv server  ## Write the values into the chart's README, and the server's flags into its schema
	$(PYTHON) tools/chart_tables.py

image:  ## Build the image spikeserve:cpu (TARGETS="cpu cuda client" BASE= SERVER= WHEELS= CUBLAS= SBOM=: tools/image.sh)
	tools/image.sh $(TARGETS)

try-image: bootstrap venv server  ## Build, look into, lock in and run the images and the unit (root, buildah, podman, runc)
	tools/try-image.sh

try-deployment: bootstrap venv server  ## The same, the list of parts by syft, and the page followed on a bare Debian
	tools/try-image.sh long

sizing: bootstrap-demo server venv  ## Measure what a server needs, for docs/deployment.md
	$(PYTHON) tools/sizing_table.py

chaos: bootstrap venv server  ## Attacks, faults and overload against a real server, two minutes of them
	tools/chaos.sh short $(ARGS)

chaos-long: bootstrap venv server  ## The same with all rounds, up to an hour
	tools/chaos.sh long $(ARGS)

reliability: bootstrap venv server  ## The long form, and what it has measured goes into docs/reliability.md
	rm -f build/chaos.json
	tools/chaos.sh long; status=$$?; $(PYTHON) tools/reliability.py && exit $$status

fleet: bootstrap venv server go  ## Three replicas, the balancers in front of them and the board above them, about a minute
	tools/fleet.sh short $(ARGS)

fleet-long: bootstrap venv server go  ## The same with 50,000 calls in each trial; the figures go into deploy/balancers/README.md
	rm -f build/fleet.json
	tools/fleet.sh long
	$(PYTHON) tools/fleet_figures.py

clean:  ## Remove builds and the virtual environment
	rm -rf build .venv

bootstrap:
	@tools/bootstrap.sh

bootstrap-demo:
	@tools/bootstrap.sh demo

bootstrap-bench:
	@tools/bootstrap.sh bench

venv:
	@tools/python-env.sh

build:  ## Compile everything, the tests too, in build/release (tools/bootstrap.sh installs what it needs)
	@tools/build.sh

server:  ## Compile build/release/server/app/spikeserve-server (tools/bootstrap.sh server installs what it needs)
	@tools/build.sh server
