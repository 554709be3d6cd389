# Headroom. `make demo` and `make test` need Node >= 20.3, Python >= 3.9 with pip, and make; nothing else by hand.
.DEFAULT_GOAL := help
# The real servers need Go, Rust, openssl and (for Prometheus) apt besides; some tests of faults need root.
.PHONY: help setup tensorflow demo test test-real test-peers lint format servers-build servers chaos bench-decision bench-scenarios \
  bench-cycles bench-contingency bench-telemetry bench-observe bench-real bench-forecast bench-neural bench-booster bench-calibration bench-allocate bench-fleet first-run clean

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

test-peers: servers-build ## Tests beside KEDA and Karpenter, which it builds first: some twenty minutes once (FILES=test/peers/…)
	@node dist/infra/servers/provide.js peers
	@node infra/test.mjs --config vitest.peers.config.ts $(FILES)

tensorflow: ## TensorFlow's native binding, built into the cache; training runs on WebAssembly without it
	@node infra/tensorflow/build.mjs

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

bench-contingency: setup ## From a trigger to the first write of its answer; writes bench/results/contingency.json
	@node dist/bench/contingency.js

bench-scenarios: setup ## Sample paths: time, calibration of sums, windows (TRACES=folder); writes bench/results/scenarios.json
	@node dist/bench/scenarios.js

bench-telemetry: servers-build ## 5.2 million samples in InfluxDB and in the store, windows read from both; writes bench/results/telemetry.json
	@node dist/bench/telemetry.js

bench-observe: servers-build ## 1,000 Deployments watched: memory, requests; writes bench/results/observe.json
	@node dist/bench/observe.js

bench-real: servers-build ## From a burst to ready pods, beside the HPA controller; writes bench/results/real.json
	@node dist/bench/real.js

bench-neural: setup ## Networks: cost of a training step, accuracy on traces (TRACES=folder, EVERY, EPOCHS); writes bench/results/neural.json
	@node dist/bench/neural.js $(TRACES)

chaos: servers-build ## 200 times SIGKILL of the worker (about half an hour); writes bench/results/chaos.json
	@CHAOS_KILLS=$${CHAOS_KILLS:-200} CHAOS_RESULT=1 node infra/test.mjs --config vitest.real.config.ts test/real/chaos.test.ts

bench-forecast: setup ## Forecasts of real traces beside Python's best (TRACES=folder; SERIES=… ORIGINS=… METHODS=… for a part); writes bench/results/forecast.json
	@node dist/bench/forecast.js

bench-allocate: setup ## Fleets and accounts divided, beside native HiGHS on the same programs; writes bench/results/allocate.json
	@node dist/bench/allocate.js

bench-fleet: setup ## Whole cycles of the fleet for 10,000 accounts: read, solve, publish (ACCOUNTS=…); writes bench/results/fleet.json
	@node dist/bench/fleet.js

bench-booster: setup ## Our quantile booster beside LightGBM (TRACES=folder); writes bench/results/booster.json
	@node dist/bench/booster.js

bench-calibration: setup ## Coverage, in all and by the day, and Winkler scores beside ACI and EnbPI on real traces (TRACES=folder); writes bench/results/calibration.json
	@node dist/bench/calibration.js

first-run: setup ## The loop on real traces (TRACES=folder); writes docs/first-run.md
	@node dist/bench/first-run.js $(TRACES)

clean: ## Removes what was built and the local state
	rm -rf dist .headroom demo-report.json
