# Quicksand from the command line. `make help` is the map; every target is one line and calls a tool that has its own --help.
#   make up STACK=mine BASE_PORT=9080 REPLICAS=2    a second stack beside the first
#   make kill C=payment STACK=mine                  the same name for everything that acts on it

STACK ?= quicksand
VOLUMES ?=
REPLICAS ?= 1
MINUTES ?= 15
C ?=
PY := .venv/bin/python
export STACK BASE_PORT

.DEFAULT_GOAL := help
.PHONY: help up down status logs demo verify bench load compare capacity doctor token secrets kill freeze resume restart stop start failover test test-faults test-compose
.PHONY: test-surge dashboards test-dashboards lint types lock tools dev

help:  ## this map
	@awk -F ':.*## ' '/^[a-z].*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: tools  ## start everything, wait until it is ready (RUNTIME=compose|native, REPLICAS=2, STACK=, BASE_PORT=)
	@$(PY) -m runtime up --replicas $(REPLICAS)
down:  ## stop everything, leave no process; VOLUMES=1 deletes the data too
	@$(PY) -m runtime down $(if $(VOLUMES),--volumes)
status:  ## what runs, since when, on which ports
	@$(PY) -m runtime status
logs:  ## follow the logs, of one component with C=order
	@$(PY) -m runtime logs --follow $(C)
demo:  ## orders that end in every way an order can, then verify
	@$(PY) -m demo
verify:  ## check the ten invariants; names what breaks them
	@$(PY) -m verify
bench:  ## orders per second and CPU per order, with the same SQL alone as the limit
	@$(PY) -m bench
load: dev  ## visitors who wait for nobody, then verify and a report: make load PROFILE=surge (RATE=, DURATION=, SEED=, ID=)
	@$(PY) -m load run $(or $(PROFILE),smoke) $(if $(RATE),--rate $(RATE)) $(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED)) $(if $(ID),--id $(ID))
compare: dev  ## two runs, or sets of repeats, beside each other: make compare A=run1,run2,run3 B=run4,run5,run6
	@$(PY) -m load compare $(or $(A),$(error which runs? make compare A=.. B=..)) $(or $(B),$(error and which others? make compare A=.. B=..))
capacity: dev  ## cores, disk, connections for a day's orders, from a measured run: make capacity ORDERS_PER_DAY=1e6 (PEAK_FACTOR=4, RUN=)
	@$(PY) -m load capacity --orders-per-day $(or $(ORDERS_PER_DAY),$(error how many? make capacity ORDERS_PER_DAY=1000000)) $(if $(PEAK_FACTOR),--peak-factor $(PEAK_FACTOR)) $(if $(RUN),--run $(RUN))
kill freeze resume restart stop start:  ## break one component, shown on the dashboards: make kill C=payment
	@$(PY) -m runtime $@ $(or $(C),$(error which component? make $@ C=payment; make status lists them))
failover:  ## let the other Postgres node lead, while orders flow
	@$(PY) -m runtime failover
test: dev  ## the tests, on real servers in a stack of their own, with the core of the fault suite
	@tests/run
test-faults: dev  ## the long part of the fault suite: every crash point, kills, freezes, ambiguous commits (FAULTS_SEED=)
	@tests/run faults
test-compose: dev  ## the Compose stack from its images to its end, on offline ones where there is no registry
	@infra/offline/engine start && $(PY) -m pytest tests/containers
token:  ## a bearer token for curl: make token SUBJECT=me, or SCOPE=admin for the shop itself
	@$(PY) -m bearer $(or $(SUBJECT),$(if $(SCOPE),$(SCOPE),me)) $(if $(SCOPE),--scope $(SCOPE))
secrets: tools  ## passwords and a key of your own, for ENVIRONMENT=production under Compose: make secrets DIR=~/quicksand-secrets
	@$(PY) -m compose secrets $(or $(DIR),$(error where? make secrets DIR=~/quicksand-secrets))
test-surge: dev  ## ten times what the stack can do, for half a minute, on a stack of its own
	@$(PY) -m pytest tests/surge -s
dashboards: dev  ## a preview of the dashboards without Grafana: one page and a PNG each, of the last MINUTES=15
	@$(PY) -m observe preview --minutes $(MINUTES)
test-dashboards: dev  ## load and faults on a stack of its own: no panel is empty, every alert that should fire does
	@$(PY) -m pytest tests/panels
doctor:  ## overdue orders, and which step each waits for
	@$(PY) -m doctor
lint: dev  ## ruff: rules and formatting
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .
types: dev  ## mypy, strict
	@$(PY) -m mypy services infra grafana loadtest && $(PY) -m mypy conftest.py && $(PY) -m mypy tests
lock: dev  ## make all requirement files anew from the pyproject.toml files
	@infra/native/lock

# Everything but up, test, lint, types and lock uses what those have made.
down status logs demo verify bench doctor token kill freeze resume restart stop start failover: | $(PY)
$(PY):
	@echo "there is no Python environment yet: make up" >&2; exit 1

tools:
	@infra/native/bootstrap tools
dev:
	@infra/native/bootstrap dev
