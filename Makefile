# The commands of this repository. "make" lists them.
# What CI runs is defined in .ci/run, which needs no make.

.PHONY: help test race lint generate check-generated cross deps demo bench chaos sim sim-sessions sim-replicas conformance ci

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

test: ## run the tests
	go test ./...

race: ## run the tests of packages with concurrency under the race detector
	@bash .ci/run race

lint: ## check style and common mistakes
	@bash .ci/run lint

generate: ## write all generated files anew
	go generate ./...

check-generated: ## fail when a generated file was not up to date
	@bash .ci/run generated

cross: ## build for the other systems
	@bash .ci/run cross

deps: ## write docs/deps.txt, the import graph, anew
	go test ./internal/invariants -run TestImportGraph -update

demo: ## run the demo game
	go run ./cmd/mallee demo

SEEDS ?= 10000
sim: sim-sessions sim-replicas ## simulate placement, sessions and replicated values under faults; SEEDS=100000 takes an hour
	MALLEE_SIM_SEEDS=$(SEEDS) go test ./placement/driver -run 'TestSimulation$$' -count=1 -timeout 2h -v

sim-sessions: ## simulate sessions that move between gateways under faults
	MALLEE_SIM_SEEDS=$(SEEDS) go test ./gateway/internal/handover -run 'TestSimulation$$' -count=1 -timeout 2h -v

sim-replicas: ## simulate replicated values under faults
	MALLEE_SIM_SEEDS=$(SEEDS) go test ./internal/replicas/gossip -run 'TestSimulation$$' -count=1 -timeout 2h -v

LENGTH ?= 60s
chaos: ## break a cluster of real processes and judge it; LENGTH=10m takes longer
	go run ./cmd/mallee chaos --for $(LENGTH)

ONLY ?= .
conformance: ## run user functions of Cloudstate's libraries beside a sidecar; ONLY=TestGo runs one
	cd sidecar/conformance && MALLEE_TEST_CONFORMANCE=1 go test -count 1 -timeout 2h -run '$(ONLY)'

bench: ## compare with peers, in one run
	cd bench && go run . -run local

ci: ## run what is run before a change lands
	@bash .ci/run
