# What people and continuous integration run. "make help" lists it.
#
# Tools are built once, at pinned versions, into bin/tools; nothing needs to be
# installed but Go (and gcc for the race detector).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

FUZZRUNS ?= 100000
FOR      ?= 20s
T        ?= 20m
DAYS     ?= 100
SEED     ?= 0

GOFUMPT       := bin/tools/gofumpt@v0.12.0
GOLANGCI_LINT := bin/tools/golangci-lint@v2.15.0
DEADCODE      := bin/tools/deadcode@v0.52.0
GOVULNCHECK   := bin/tools/govulncheck@v1.9.0

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 15

.PHONY: build
build: ## the static binary, bin/tallyvault
	CGO_ENABLED=0 go build -o bin/tallyvault ./cmd/tallyvault

# A release is a function of the commit and the Go version alone: whatever the machine
# sets for Go is set anew here. (An empty GOFLAGS would mean that of "go env -w".)
# Symbols stay, for govulncheck -mode=binary; what debuggers need goes.
RELEASES  = amd64 arm64 armv7
VERSION   = $(shell .ci/version)
DIST      = dist
release-env = env -u GOEXPERIMENT -u GOFIPS140 CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly GOOS=linux GOARCH=$(patsubst armv%,arm,$(1)) GOAMD64=v1 GOARM64=v8.0 GOARM=7

.PHONY: release
release: ## static binaries for linux on RELEASES (amd64 arm64 armv7), with their sums, in dist
	@[[ -n "$(VERSION)" ]] || { echo "no commit to name the release by: make release VERSION=..."; exit 1; }
	mkdir -p $(DIST)
	rm -f $(DIST)/tallyvault-* $(DIST)/SHA256SUMS
	$(foreach a,$(RELEASES),$(call release-env,$(a)) go build -trimpath -buildvcs=false -ldflags='-w -X main.release=$(VERSION)' -o $(DIST)/tallyvault-linux-$(a) ./cmd/tallyvault &&) true
	cd $(DIST) && sha256sum tallyvault-* >SHA256SUMS && cat SHA256SUMS

.PHONY: release-check
release-check: ## the commit released twice, from two directories: equal byte for byte
	.ci/reproduce $(RELEASES)

.PHONY: test
test: ## all tests; below five minutes on two cores
	go test ./...

# The race detector of Go 1.26 itself crashed once in a committee of half a simulated
# day (in its StackDepot, with no frame of ours), and not in three more; so it gets a
# fifth of that. The days without it are those of make sim.
.PHONY: race
race: ## the tests of all packages below cmd under the race detector
	CGO_ENABLED=1 go test -race $$(go list ./... | grep -v -e '/cmd/' -e '/cluster$$')
	CGO_ENABLED=1 go test -race ./cluster -days 0.1

.PHONY: check
check: lint vuln test race ## what must pass before a commit

.PHONY: lint
lint: fmt vet golangci tidy deadcode ## what reads the code without running it

.PHONY: fmt
fmt: $(GOFUMPT) ## files that gofumpt would change
	@files=$$($(GOFUMPT) -l .); if [[ -n $$files ]]; then echo "not in gofumpt's form (gofumpt -w changes them):"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: ## go vet, here and in interop
	go vet ./...
	cd interop && go vet ./...

.PHONY: golangci
golangci: $(GOLANGCI_LINT) ## the linters of .golangci.yml
	$(GOLANGCI_LINT) run ./...

.PHONY: tidy
tidy: ## go.mod and go.sum have what the code needs and no more
	go mod tidy -diff

# Tests count as users: the client in transport/client is for other people's
# programs, of which this repository has only its tests. Examples that nothing can
# answer without a cluster are compiled and not run.
.PHONY: deadcode
deadcode: $(DEADCODE) ## functions that nothing can reach
	@found=$$($(DEADCODE) -test ./... | grep -v ': unreachable func: Example' || true); if [[ -n $$found ]]; then echo "$$found"; exit 1; fi

# The database of vulnerabilities is fetched when this runs. A machine that
# cannot reach it has not been checked, and is told so.
.PHONY: vuln
vuln: $(GOVULNCHECK) ## known vulnerabilities in what the code calls
	@status=0; $(GOVULNCHECK) ./... >bin/govulncheck.log 2>&1 || status=$$?; cat bin/govulncheck.log; \
	if [[ $$status -ne 0 ]] && grep -q 'fetching vulnerabilities' bin/govulncheck.log; then \
		echo "SKIPPED: govulncheck could not reach its database; vulnerabilities were NOT checked"; \
	else exit $$status; fi

# A fuzz target runs alone in its package, so each is named in turn. Its runs are
# counted, not timed: up to Go 1.26 a run that ends by the clock may fail with
# "context deadline exceeded" and no input to show for it (golang/go 75804).
.PHONY: fuzz
fuzz: ## each fuzz target for FUZZRUNS inputs (100000)
	@grep -rE --include='*_test.go' --exclude-dir=interop --exclude-dir=bin '^func Fuzz' . \
	| sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort \
	| while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZRUNS)x "$$package" </dev/null; \
	done

# The name of a test that failed has its seed: SEED=N DAYS=0.5 repeats its faults.
.PHONY: sim
sim: ## committees for DAYS (100) of simulated time, with all that can happen to one
	GOGC=400 go test ./cluster -run 'TestSimulation$$' -days $(DAYS) -seed $(SEED) -timeout 0

.PHONY: soak
soak: ## real nodes under load and one fault after the other for T (20m); root, for networks and disks of their own
	go test ./cmd/internal/faults -run 'TestSoak$$' -soak $(T) -timeout 0 -v

.PHONY: demo
demo: ## three nodes, mischief and receipts, for FOR (20s)
	go run ./cmd/tallyvault demo --for $(FOR)

.PHONY: interop
interop: ## receipts under other people's verifiers; TALLYVAULT_PROOFS names a demo's directory
	cd interop && go test ./...

.PHONY: clean
clean: ## what was built, tools included
	rm -rf bin dist

# A tool's file carries its version, so that raising it here builds it anew.
$(GOFUMPT):
	$(call install,mvdan.cc/gofumpt)
$(GOLANGCI_LINT):
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
$(DEADCODE):
	$(call install,golang.org/x/tools/cmd/deadcode)
$(GOVULNCHECK):
	$(call install,golang.org/x/vuln/cmd/govulncheck)

define install
GOBIN=$(CURDIR)/bin/tools go install $(1)@$(lastword $(subst @, ,$@))
mv bin/tools/$(firstword $(subst @, ,$(notdir $@))) $@
endef
