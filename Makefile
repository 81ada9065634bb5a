# Quicksand from the command line. `make help` is the map; every target is one line and calls a tool that has its own --help.
#   make up STACK=mine BASE_PORT=9080 REPLICAS=2    a second stack beside the first
#   make kill C=payment STACK=mine                  the same name for everything that acts on it

STACK ?= quicksand
VOLUMES ?=
REPLICAS ?= 1
C ?=
PY := .venv/bin/python
export STACK BASE_PORT

.DEFAULT_GOAL := help
.PHONY: help up down status logs demo verify bench doctor token kill freeze resume restart test test-faults lint types lock bootstrap dev

help:  ## this map
	@awk -F ':.*## ' '/^[a-z].*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: bootstrap  ## install what is missing, start everything, wait until it is ready (REPLICAS=2, STACK=, BASE_PORT=)
	@$(PY) -m native up --replicas $(REPLICAS)
down:  ## stop everything, leave no process; VOLUMES=1 deletes the data too
	@$(PY) -m native down $(if $(VOLUMES),--volumes)
status:  ## what runs, since when, on which ports
	@$(PY) -m native status
logs:  ## follow the logs, of one component with C=order
	@$(PY) -m native logs --follow $(C)
demo:  ## orders that end in every way an order can, then verify
	@$(PY) -m demo
verify:  ## check the ten invariants; names what breaks them
	@$(PY) -m verify
bench:  ## orders per second and CPU per order, with the same SQL alone as the limit
	@$(PY) -m bench
kill freeze resume restart:  ## break one component: make kill C=payment
	@$(PY) -m native $@ $(or $(C),$(error which component? make $@ C=payment; make status lists them))
test: dev  ## the tests, on real servers in a stack of their own
	@$(PY) -m pytest --ignore tests/faults
test-faults: dev  ## the fault suite: mutants, crash points, kills, freezes, poison; FAULTS=core for its shorter part
	@$(PY) -m pytest tests/faults $(if $(FAULTS),-m "not faults_long")
token:  ## a bearer token for curl: make token SUBJECT=me, or SCOPE=admin for the shop itself
	@$(PY) -m bearer $(or $(SUBJECT),$(if $(SCOPE),$(SCOPE),me)) $(if $(SCOPE),--scope $(SCOPE))
doctor:  ## overdue orders, and which step each waits for
	@$(PY) -m doctor
lint: dev  ## ruff: rules and formatting
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .
types: dev  ## mypy, strict
	@$(PY) -m mypy services infra loadtest && $(PY) -m mypy conftest.py && $(PY) -m mypy tests
lock: dev  ## make all requirement files anew from the pyproject.toml files
	@infra/native/lock

# Everything but up, test, lint, types and lock uses what those have made.
down status logs demo verify bench doctor token kill freeze resume restart: | $(PY)
$(PY):
	@echo "there is no Python environment yet: make up" >&2; exit 1

bootstrap:
	@infra/native/bootstrap
dev:
	@infra/native/bootstrap dev
