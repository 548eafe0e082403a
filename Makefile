# `make help` lists what there is. Every target sets the machine up first (deploy/setup.sh), which is skipped when up to date.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
BIN := .venv/bin

# Present when .venv holds exactly what these files ask for.
STAMP := .venv/.installed-$(shell cat requirements.lock pyproject.toml deploy/setup.sh | sha256sum | cut -c1-12)

# The top-level packages of pyproject.toml, as mypy wants them; asked for only when used.
LIST_PACKAGES = import tomllib; \
  names = tomllib.load(open("pyproject.toml", "rb"))["tool"]["setuptools"]["packages"]; \
  print(*sorted({"-p " + name.split(".")[0] for name in names}))
PACKAGES = $(shell $(BIN)/python -c '$(LIST_PACKAGES)')

.PHONY: help setup compile lock check test demo run bench bench-compare drill clean

help: ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make .venv with exactly what requirements.lock names

$(STAMP):
	@bash deploy/setup.sh $@

compile: $(STAMP) ## The hot modules through mypyc: in bulk the same in 0.65 of the CPU (left out where there is no C compiler)
	@$(BIN)/python deploy/compile.py

lock: $(STAMP) ## Write requirements.lock anew from pyproject.toml (UPGRADE=1: with the newest versions that fit)
	@PIP_FIND_LINKS= CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet $(if $(UPGRADE),--upgrade) --generate-hashes \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe --extra dev \
	  --output-file requirements.lock pyproject.toml
	@! grep -nE '://|--(index|extra-index|find-links|trusted-host)' requirements.lock

check: $(STAMP) ## Lint, format, types, imports, and the rules about the repo itself
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(PACKAGES) -p bench
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/architecture

test: compile ## Every test tier, the quick ones first (as written, then compiled), on a real Kafka and Postgres (ARGS="-m 'not servers'": without)
ifdef ARGS
	@$(BIN)/pytest -q tests $(ARGS)
else
	@$(BIN)/pytest -q -n 2 tests/unit tests/property tests/architecture
	@[ ! -e _compiled ] || SMPPD_COMPILED=yes $(BIN)/pytest -q -n 2 tests/unit tests/property
	@SMPPD_COMPILED=auto $(BIN)/pytest -q tests/contract tests/integration tests/scenario
endif

demo: $(STAMP) ## Everything at work for a minute: 10,000 messages, faults on the way, and the account of each of them
	@$(BIN)/smpp-dispatch dev --demo

run: $(STAMP) ## Everything, without load, until Ctrl-C
	@$(BIN)/smpp-dispatch dev

bench: compile ## The measured claims: a table, var/bench.json and var/bench.html (ARGS="--only bulk", --quick, --full)
	@$(BIN)/python -m bench $(ARGS)

bench-compare: $(STAMP) ## Two results of bench side by side: A=before.json B=after.json
	@$(BIN)/python -m bench.compare $(A) $(B)

drill: compile ## Faults against the promises: a table, and var/drill.json (SEED=7 FAULT=name for one of them)
	@$(BIN)/python -m tests.drill $(if $(SEED),--seed $(SEED)) $(if $(FAULT),--fault $(FAULT))

clean: ## Remove data, logs, Kafka's jars and caches; .venv stays
	@for lock in .local/*/lock .local/test/*/lock; do \
	  [ ! -e "$$lock" ] || flock --nonblock "$$lock" true || \
	    { echo "$${lock%/lock} is in use by process $$(cat $$lock): stop that first" >&2; exit 1; }; \
	done
	@rm -rf .local var build _compiled .compiling-* *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
