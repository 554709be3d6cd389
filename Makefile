# Headroom. `make demo` and `make test` need Node >= 20.3, Python >= 3.9 with pip, and make; nothing else by hand.
.DEFAULT_GOAL := help
# The real servers need Go, Rust, openssl and (for Prometheus) apt besides; some tests of faults need root.
.PHONY: servers-build servers test-real help setup demo test lint format bench-decision bench-cycles bench-telemetry first-run clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

setup: ## npm packages, the Temporal servers, the build; quick where it is done already
	@node infra/setup.mjs

demo: setup ## Three accounts live through a day in about three minutes
	@node dist/src/cli/demo.js $(DEMO)

test: setup ## Unit, property, contract, workflow, replay and command-line tests
	@node infra/test.mjs

servers-build: setup ## Gets or builds InfluxDB, Prometheus and a Kubernetes control plane; quick where they are cached
	@node dist/infra/servers/provide.js

servers: servers-build ## Starts them on free ports and says how to reach them, until Ctrl-C
	@node dist/infra/servers/up.js

test-real: servers-build ## Tests against those servers (FILES=test/real/… for some)
	@node infra/test.mjs --config vitest.real.config.ts $(FILES)

lint: setup ## Types, lint lines between the rooms, format
	@node node_modules/typescript/bin/tsc --noEmit -p .
	@node node_modules/eslint/bin/eslint.js .
	@node node_modules/prettier/bin/prettier.cjs --check --log-level warn .

format: setup ## Writes the format
	@node node_modules/prettier/bin/prettier.cjs --write --log-level warn .

bench-decision: setup ## Forecast + optimize, one account; writes bench/results/decision.json
	@node dist/bench/decision.js

bench-cycles: setup ## Cycles per second of many accounts; writes bench/results/cycles.json
	@node dist/bench/cycles.js

bench-telemetry: servers-build ## 5.2 million samples in InfluxDB and in the store, windows read from both; writes bench/results/telemetry.json
	@node dist/bench/telemetry.js

first-run: setup ## The loop on real traces (TRACES=folder); writes docs/first-run.md
	@node dist/bench/first-run.js $(TRACES)

clean: ## Removes what was built and the local state
	rm -rf dist .headroom demo-report.json
