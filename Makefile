# The commands of this repository. "make" lists them.

LINT := go tool -modfile=tools/go.mod golangci-lint
# Packages with concurrency of their own.
RACE := . ./internal/activation/... ./internal/transport/... ./node/... ./placement/... ./malleetest/... ./httpapi/... ./examples/...

.PHONY: help test race lint generate check-generated cross deps demo bench ci

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

test: ## run the tests
	go test ./...

race: ## run the tests of packages with concurrency under the race detector
	go test -race $(RACE)

lint: ## check style and common mistakes
	$(LINT) run

generate: ## write all generated files anew
	go generate ./...

check-generated: generate ## fail when a generated file was not up to date
	@test -z "$$(git status --porcelain -- '*_mallee.go')" || { git status --short -- '*_mallee.go'; echo "generated files were not up to date; commit them"; exit 1; }

cross: ## build for the other systems
	GOOS=windows go build ./...
	GOOS=darwin go build ./...

deps: ## write docs/deps.txt, the import graph, anew
	go test ./internal/invariants -run TestImportGraph -update

demo: ## run the demo game
	go run ./cmd/mallee demo

bench: ## compare with peers, in one run
	cd bench && go run . -run local

ci: ## run what is run before a change lands
	bash .ci/run
