# Headroom. `make demo` and `make test` need Node >= 20.3, Python >= 3.9 with pip, and make; nothing else by hand.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench-decision bench-cycles first-run clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

setup: ## npm packages, the Temporal servers, the build; quick where it is done already
	@node infra/setup.mjs

demo: setup ## Three accounts live through a day in about three minutes
	@node dist/src/cli/demo.js $(DEMO)

test: setup ## Unit, property, contract, workflow, replay and command-line tests
	@npx --no-install vitest run

lint: setup ## Types, lint lines between the rooms, format
	@npx --no-install eslint . && npx --no-install prettier --check .

format: setup ## Writes the format
	@npx --no-install prettier --write . >/dev/null

bench-decision: setup ## Forecast + optimize, one account; writes bench/results/decision.json
	@node dist/bench/decision.js

bench-cycles: setup ## Cycles per second of many accounts; writes bench/results/cycles.json
	@node dist/bench/cycles.js

first-run: setup ## The loop on real traces (TRACES=folder); writes docs/first-run.md
	@node dist/bench/first-run.js $(TRACES)

clean: ## Removes what was built and the local state
	rm -rf dist .headroom demo-report.json
