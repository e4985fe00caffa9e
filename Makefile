# Airside: the recipes of contributors and of continuous integration. `make help` lists them.
#
# Everything built or installed lies outside the checkout, so that a fresh clone is warm at once.

CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/airside
CARGO_TARGET_DIR ?= $(CACHE)/target
export CARGO_TARGET_DIR
PYTHON ?= python3
PYTEST_ARGS ?=

# An environment is named after what it holds: changed requirements make a new one, and nothing is
# installed twice.
digest = $(shell { cat $(1); $(PYTHON) --version; } 2>&1 | cksum | cut -d ' ' -f 1)
CLIENTS := $(CACHE)/venv-clients-$(call digest,tests/clients/requirements.txt)
DBAPI := $(CACHE)/venv-dbapi-$(call digest,tests/clients/dbapi/requirements.txt)
# A store of each kind that contracts may name.
STORES := $(CACHE)/stores-$(call digest,tests/stores/package.json tests/stores/package-lock.json)
CEPH := /usr/bin/radosgw
OIDC := $(CACHE)/oidc-$(call digest,tests/oidc/package.json tests/oidc/package-lock.json)
BROWSER := $(CACHE)/browser-$(call digest,tests/browser/package.json tests/browser/package-lock.json)
CHROMIUM ?= /usr/bin/chromium
export CHROMIUM
FLIGHT_SQL_CLIENT_VERSION := 59.3.2
TOOLS := $(CACHE)/tools-$(FLIGHT_SQL_CLIENT_VERSION)
FLIGHT_SQL_CLIENT := $(TOOLS)/bin/flight_sql_client
JDBC_VERSION := 18.3.0
MAVEN_DEPENDENCY := org.apache.maven.plugins:maven-dependency-plugin:3.8.1
JDBC := $(CACHE)/jdbc/flight-sql-jdbc-driver-$(JDBC_VERSION).jar
# Built anew each time, from Go's own cache.
GO_BUILT := $(CACHE)/go
GO_TESTS := $(GO_BUILT)/clients.test
GO_PULL := $(GO_BUILT)/pull
JAVA_LIBRARIES := $(CACHE)/java-$(call digest,examples/java/pom.xml)
GO := GOFLAGS="-mod=readonly -buildvcs=false" go

PYTHON_CODE := tests/clients clients/python benches/comparison

AIRSIDE := $(CARGO_TARGET_DIR)/debug/airside
CARGO := cargo
LOCKED := --locked

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help test quick fmt fmt-check lint unit rust policy-tests clients clients-quick soak soak-attacks fuzz bench bench-micro demo deny \
        release-binary python-client wheel needs needs-node needs-java needs-go needs-solver binary go-built

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: needs needs-node needs-java needs-go needs-solver $(CHROMIUM) $(CEPH) fmt-check lint rust policy-tests clients python-client ## everything that CI runs

quick: needs needs-solver fmt-check lint rust policy-tests clients-quick ## a contributor's loop: Rust and Python only

fmt: $(CLIENTS)/.complete ## format the Rust and Python code
	$(CARGO) fmt
	$(CLIENTS)/bin/ruff check --quiet --fix $(PYTHON_CODE)
	$(CLIENTS)/bin/ruff format --quiet $(PYTHON_CODE)

fmt-check: $(CLIENTS)/.complete
	$(CARGO) fmt --check
	$(CLIENTS)/bin/ruff format --quiet --check $(PYTHON_CODE)

lint: $(CLIENTS)/.complete ## clippy, warnings denied, ruff, and mypy
	$(CLIENTS)/bin/ruff check --quiet $(PYTHON_CODE)
	cd clients/python && $(CLIENTS)/bin/mypy --cache-dir $(CACHE)/mypy
	$(CARGO) clippy $(LOCKED) --all-targets --quiet -- -D warnings

unit: ## the unit tests alone
	$(CARGO) test $(LOCKED) --lib

rust: ## unit tests and the integration tests, which start the real gateway
	$(CARGO) test $(LOCKED) --lib --bins --test integration

binary:
	$(CARGO) build $(LOCKED) --bin airside

# The demo mesh of this very checkout, small: made once for each version of its files.
POLICY_MESH := $(CACHE)/policy-tests

policy-tests: binary ## the demo mesh's own policy tests, over every path a client can take
	rm -rf $(POLICY_MESH)
	$(AIRSIDE) demo --prepare --scale 0.01 --dir $(POLICY_MESH)
	$(AIRSIDE) test --config $(POLICY_MESH)/airside.toml

# The Python clients talk to the debug build: it checks arithmetic that the release build does not.
PYTEST = AIRSIDE_BIN=$(AIRSIDE) $(1) -m pytest -p no:cacheprovider

clients: binary $(CLIENTS)/.complete $(DBAPI)/.complete $(OIDC)/.complete $(BROWSER)/.complete $(CHROMIUM) $(STORES)/.complete $(CEPH) $(FLIGHT_SQL_CLIENT) $(JDBC) $(JAVA_LIBRARIES)/.complete go-built ## every client test against the gateway
	AIRSIDE_OIDC_DIR=$(OIDC) AIRSIDE_BROWSER_DIR=$(BROWSER) AIRSIDE_FLIGHT_SQL_CLIENT=$(FLIGHT_SQL_CLIENT) \
	AIRSIDE_STORES_DIR=$(STORES) \
	AIRSIDE_JDBC_DRIVER=$(JDBC) AIRSIDE_GO_TESTS=$(GO_TESTS) \
	AIRSIDE_GO_PULL=$(GO_PULL) AIRSIDE_JAVA_LIBRARIES=$(JAVA_LIBRARIES) AIRSIDE_DBAPI_PYTHON=$(DBAPI)/bin/python \
	  $(call PYTEST,$(CLIENTS)/bin/python) tests/clients $(PYTEST_ARGS)

clients-quick: binary $(CLIENTS)/.complete ## the client tests that need neither Node, Java, Go nor flight_sql_client
	$(call PYTEST,$(CLIENTS)/bin/python) tests/clients $(PYTEST_ARGS)

python-client: binary $(CLIENTS)/.complete $(OIDC)/.complete ## the tests of the Python package, against the gateway
	cd clients/python && AIRSIDE_OIDC_DIR=$(OIDC) $(call PYTEST,$(CLIENTS)/bin/python) $(PYTEST_ARGS)

# Package and gateway in one file, for `pip install` and `uvx airside demo`. Builds the release binary.
WHEEL_ARGS ?= --release
MATURIN := $(CACHE)/venv-maturin-$(call digest,clients/python/requirements.txt)

wheel: $(MATURIN)/.complete ## the wheel of the Python package, with the gateway in it, and a try of it (WHEEL_ARGS=--profile=dev)
	rm -rf $(CACHE)/wheels
	cd clients/python && $(MATURIN)/bin/maturin build $(WHEEL_ARGS) --out $(CACHE)/wheels
	$(PYTHON) -m venv --clear $(CACHE)/venv-wheel
	$(CACHE)/venv-wheel/bin/python -m pip install --quiet $(CACHE)/wheels/*.whl
	$(CACHE)/venv-wheel/bin/airside --version
	cd / && $(CACHE)/venv-wheel/bin/python -c 'import airside; print(airside.__version__)'

# What a release should survive, and what nobody waits for: hours are well spent here.
SOAK_CASES ?= 100000
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := policy contract statement descriptor ticket parameters

soak: ## the generated tests, 100 000 cases each: row filters against Cedar first (SOAK_CASES=…)
	AIRSIDE_SOAK_CASES=$(SOAK_CASES) PROPTEST_CASES=$(SOAK_CASES) $(CARGO) test $(LOCKED) --lib -- \
	  policy::tests::residuals query::governed_scan::lower query::statement serve::flight seal fuzzing

soak-attacks: binary $(CLIENTS)/.complete ## the attack suite, all of its matrix and many damaged files
	ATTACKS=all $(call PYTEST,$(CLIENTS)/bin/python) --timeout=1800 tests/clients -k attacks

# Without the sanitizers, which need a nightly compiler: the code has no `unsafe` for them to watch. Coverage
# guides the fuzzer all the same. DataFusion is built once more for this, which takes a while.
fuzz: ## the fuzz targets, a minute each (FUZZ_SECONDS=…; needs cargo-fuzz)
	@cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is not installed: cargo install cargo-fuzz" >&2; exit 1; }
	cp Cargo.lock fuzz/Cargo.lock # the same versions; cargo adds the fuzzer's own
	for target in $(FUZZ_TARGETS); do \
	  RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$(CACHE)/target-fuzz cargo fuzz run -s none $$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 || exit 1; \
	done

# Peers come from PyPI, the data from the demo's generator, kept in $(CACHE)/bench-data. AIRSIDE=… measures another binary.
BENCHES := $(CACHE)/venv-bench-$(call digest,benches/comparison/requirements.txt)
BENCH_ARGS ?=
ifneq ($(origin AIRSIDE),command line)
bench: AIRSIDE := $(CARGO_TARGET_DIR)/release/airside
bench: release-binary
endif

bench: $(BENCHES)/.complete ## Airside beside its peers, release build: one table (BENCH_ARGS="--only export --runs 3")
	AIRSIDE_BIN=$(AIRSIDE) PYTHONPATH=benches:tests/clients $(BENCHES)/bin/python -m comparison $(BENCH_ARGS)

bench-micro: ## the criterion benches
	$(CARGO) bench $(LOCKED)

release-binary:
	$(CARGO) build $(LOCKED) --release --bin airside

demo: ## the demo mesh, served (release build)
	$(CARGO) run $(LOCKED) --release -- demo

deny: ## licences, sources and duplicates of dependencies, if cargo-deny is there
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check licenses bans sources; \
	else echo "cargo-deny is not installed: cargo install cargo-deny"; fi

# What must be there, said before an hour of building.
needs:
	@missing=; \
	command -v $(CARGO) >/dev/null || missing="$$missing\n  cargo (Rust 1.95 or newer)"; \
	cargo fmt --version >/dev/null 2>&1 || missing="$$missing\n  rustfmt (rustup component add rustfmt)"; \
	cargo clippy --version >/dev/null 2>&1 || missing="$$missing\n  clippy (rustup component add clippy)"; \
	$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  missing="$$missing\n  python3 3.11 or newer with venv (PYTHON=... names another)"; \
	if [ -n "$$missing" ]; then printf "missing:$$missing\n" >&2; exit 1; fi

needs-node:
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1 || \
	  { printf 'missing:\n  node 20 or newer with npm (the tests sign in at a real OIDC provider); `make quick` does without\n' >&2; exit 1; }

# Proofs about policies are the work of cvc5. Where nobody installed it, a build machine's root does it now.
needs-solver:
	@solver="$${CVC5:-cvc5}"; command -v "$$solver" >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends cvc5; } >/dev/null 2>&1; \
	fi; \
	command -v "$$solver" >/dev/null || \
	  { printf 'missing:\n  cvc5 (`apt install cvc5`; CVC5=... names another program)\n' >&2; exit 1; }

needs-java:
	@missing=; \
	javac -version 2>&1 | awk '/^javac/ { split($$2, v, "."); exit v[1] < 17 } END { if (!NR) exit 1 }' && java -version >/dev/null 2>&1 || \
	  missing="$$missing\n  a JDK 17 or newer (java, javac)"; \
	mvn --version >/dev/null 2>&1 || missing="$$missing\n  Maven (mvn)"; \
	if [ -n "$$missing" ]; then printf "missing:$$missing\n  (the tests run the JDBC driver); \`make quick\` does without\n" >&2; exit 1; fi

needs-go:
	@go version 2>/dev/null | awk '{ sub(/^go/, "", $$3); split($$3, v, "."); found = v[1] > 1 || v[2] >= 25 } END { exit !found }' || \
	  { printf 'missing:\n  go 1.25 or newer (the tests run the Go clients); `make quick` does without\n' >&2; exit 1; }

define VENV
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --requirement $<
	touch $@
endef

$(CACHE)/venv-clients-%/.complete: tests/clients/requirements.txt
	$(VENV)

$(CACHE)/venv-dbapi-%/.complete: tests/clients/dbapi/requirements.txt
	$(VENV)

$(CACHE)/venv-bench-%/.complete: benches/comparison/requirements.txt
	$(VENV)

$(CACHE)/venv-maturin-%/.complete: clients/python/requirements.txt
	$(VENV)

# Node resolves packages beside the script that imports them, so the script is copied there.
define install-node-packages
	mkdir -p $(@D)
	cp $(<D)/package*.json $(@D)
	npm ci --prefix $(@D) --no-audit --no-fund --silent
	touch $@
endef

$(CACHE)/oidc-%/.complete: tests/oidc/package.json
	$(install-node-packages)

$(CACHE)/browser-%/.complete: tests/browser/package.json
	$(install-node-packages)

$(CACHE)/stores-%/.complete: tests/stores/package.json
	$(install-node-packages)

# The S3 server that checks signatures comes from Debian's packages.
$(CEPH):
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends radosgw ceph-mon ceph-osd >/dev/null; \
	fi; \
	test -x $@ || { printf 'missing:\n  Ceph (`apt install radosgw ceph-mon ceph-osd`): stores are tried on it\n' >&2; exit 1; }

# The browser that the pages are tried in comes from Debian's packages; elsewhere CHROMIUM names one.
$(CHROMIUM):
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	fi; \
	test -x $@ || { printf 'missing:\n  chromium at %s (CHROMIUM=... names another): the pages for people are tried in it\n' $@ >&2; exit 1; }

$(JDBC):
	mvn --batch-mode --quiet $(MAVEN_DEPENDENCY):copy \
	  -Dartifact=org.apache.arrow:flight-sql-jdbc-driver:$(JDBC_VERSION) -DoutputDirectory=$(@D)

$(CACHE)/java-%/.complete: examples/java/pom.xml
	mvn --batch-mode --quiet --file $< $(MAVEN_DEPENDENCY):copy-dependencies -DoutputDirectory=$(@D)
	touch $@

go-built:
	test -z "$$(gofmt -l tests/go examples/go | tee /dev/stderr)"
	mkdir -p $(GO_BUILT)
	cd tests/go && $(GO) vet ./... && $(GO) test -c -o $(GO_TESTS) .
	cd examples/go && $(GO) vet ./... && $(GO) build -o $(GO_PULL) .

$(FLIGHT_SQL_CLIENT):
	CARGO_TARGET_DIR=$(CACHE)/target-tools $(CARGO) install --quiet --locked --debug --root $(TOOLS) \
	  --version $(FLIGHT_SQL_CLIENT_VERSION) --features cli,flight-sql,tls-ring --bin flight_sql_client arrow-flight
