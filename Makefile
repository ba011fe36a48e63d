# The front door. `make` alone says what there is.

# A test that fails fails through a pipe, too.
SHELL       := bash
.SHELLFLAGS := -o pipefail -c

TAGS := -tags sqlite_fts5
GO   := go

# SQLite trusts fdatasync only when told to. On Linux it may: what fsync would sync
# besides are a file's times, which cost a journal commit each.
ifeq ($(shell uname),Linux)
export CGO_CFLAGS := -O2 -g -DHAVE_FDATASYNC=1
endif

# How long a fuzz target takes. Left alone, Go spends a minute on making each input
# small that leads somewhere new, and tries next to nothing else.
FUZZTIME ?= 60s
FUZZING  := -fuzztime $(FUZZTIME) -fuzzminimizetime 20x

# Tests take the same random way each time; these look for new ones.
fuzz crash power sabotage soak: export SPACEFS_SEED ?= random

help:
	@echo 'make demo    install what is missing, build, and show the whole way on a small tree'
	@echo 'make day     two people, one tree: a day of it, which is docs/a-day.md'
	@echo 'make test    install what is missing and run every test'
	@echo 'make build   bin/spacefs'
	@echo 'make check   format, vet (Linux and macOS), lint, layering, tests with the race detector'
	@echo 'make bench   measure, beside other filesystems, and write docs/performance.md'
	@echo 'make bench-exchange  exports and imports beside cp and git, and history; ten minutes, writes docs/performance-exchange.md'
	@echo 'make bench-sync  measure syncs of 100,000 files beside git, cp, rsync, unison and rclone: docs/performance-sync.md'
	@echo 'make crash   the long SIGKILL loops: 20 rounds of each'
	@echo 'make power   2000 power cuts; make sabotage shows that they would find a broken engine'
	@echo 'make history what history costs, and how quick it is at a million revisions'
	@echo 'make fuzz    the properties and random tests, for long'
	@echo 'make soak    1000 mounts, and ten minutes of mixed work: nothing may be left or grow'
	@echo 'make race-programs  the tests with real programs, on a daemon with the race detector'
	@echo 'make live    how long an edit takes to the other side: 200 each way'
	@echo 'make clean   remove what was built'

deps:
	@sh .ci/deps

build: deps
	$(GO) build $(TAGS) -trimpath -o bin/spacefs .

demo: build
	@bash .ci/demo

day: build
	@bash .ci/day >bin/a-day.md && mv bin/a-day.md docs/a-day.md

test: deps
	$(GO) test $(TAGS) -count=1 -timeout 20m ./...

check: deps
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'not gofmt-ed:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet $(TAGS) ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./...
	$(GO) tool staticcheck $(TAGS) ./...
	$(GO) test $(TAGS) -race -count=1 -timeout 20m ./spacedb ./conflict/... ./materialize ./fusefs ./daemon ./command

bench: deps
	SPACEFS_BENCH=$(CURDIR)/docs/performance.md $(GO) test $(TAGS) -count=1 -timeout 60m -run 'TestBench$$' -v ./integration_test | grep -v ===

bench-exchange: deps
	SPACEFS_EXCHANGE_BENCH=$(CURDIR)/docs/performance-exchange.md $(GO) test $(TAGS) -count=1 -timeout 60m -run TestExchangeBench -v ./integration_test | grep -v ===

bench-sync: deps
	@sh .ci/deps peers || echo 'what could not be installed is left out' >&2
	SPACEFS_BENCH_SYNC=$(CURDIR)/docs/performance-sync.md $(GO) test $(TAGS) -count=1 -timeout 60m -run 'TestBenchSync$$' -v ./integration_test | grep -v ===

crash: deps
	SPACEFS_CRASH_ROUNDS=20 $(GO) test $(TAGS) -count=1 -timeout 60m -run Crash ./integration_test

power: deps
	SPACEFS_POWER_CUTS=2000 $(GO) test $(TAGS) -count=1 -timeout 60m -run PowerLossLoses -v ./integration_test | grep -v ===

sabotage: deps
	for way in 'no sync' 'no order'; do SPACEFS_SABOTAGE="$$way" $(GO) test -tags sqlite_fts5,sabotage -count=1 -run Sabotaged -v ./integration_test || exit 1; done

fuzz: deps
	$(GO) test ./conflict -count=1 -rapid.checks=100000
	SPACEFS_MERGE_ROUNDS=10000 $(GO) test ./conflict/merge -count=1 -run Gits -v
	$(GO) test ./conflict/merge -run '^$$' -fuzz FuzzTexts $(FUZZING)
	SPACEFS_FAULT_WALK=all SPACEFS_UNDO_ROUNDS=400 $(GO) test $(TAGS) ./materialize -count=1 -timeout 30m -run 'AnyStep|UndoRestores' -v
	SPACEFS_FAULT_WALK=all $(GO) test $(TAGS) ./integration_test -count=1 -timeout 0 -run AnySystemCall -v
	$(GO) test $(TAGS) ./materialize -run '^$$' -fuzz FuzzParsePlan $(FUZZING)
	$(GO) test ./materialize/manifest -run '^$$' -fuzz FuzzRead $(FUZZING)
	$(GO) test ./materialize/ignore -run '^$$' -fuzz FuzzParse $(FUZZING)
	$(GO) test $(TAGS) ./materialize -run '^$$' -fuzz FuzzImportTar $(FUZZING)
	for i in 1 2 3 4 5 6 7 8 9 10; do $(GO) test $(TAGS) -count=1 -run 'Random|Converge' ./materialize ./spacedb || exit 1; done
	SPACEFS_FUZZ_SECONDS=$${SPACEFS_FUZZ_SECONDS:-3600} $(GO) test $(TAGS) -count=1 -timeout 0 -run 'TestDifferential$$' -v ./fusefs

soak: deps
	SPACEFS_MOUNTS=1000 $(GO) test $(TAGS) -count=1 -timeout 60m -run MountsLeave -v ./fusefs | grep -v ===
	SPACEFS_SOAK=10m $(GO) test $(TAGS) -count=1 -timeout 60m -run Soak -v ./integration_test | grep -v ===

# A race ends the daemon, and so the test; what it was is in bin/race.*
race-programs: deps
	@mkdir -p bin
	GORACE='halt_on_error=1 log_path=$(CURDIR)/bin/race' $(GO) test $(TAGS) -race -count=1 -timeout 60m -run 'Programs|EveryEditors|Meanwhile|Live' -v ./integration_test | grep -v ===

live: deps
	SPACEFS_LIVE_EDITS=200 $(GO) test $(TAGS) -count=1 -timeout 20m -run OneEditIsSoon -v ./integration_test | grep -v ===

history: deps
	SPACEFS_HISTORY_FIGURES=1 $(GO) test $(TAGS) -count=1 -timeout 20m -run 'AThousandSaves|ManyRevisions|FiftySaves' -v ./spacedb | grep -v ===

clean:
	rm -rf bin

.PHONY: history live race-programs help deps build demo day test check bench bench-sync bench-exchange crash power sabotage fuzz soak clean
