# Every target bootstraps .venv by itself. `make help` lists them.
PYTHON ?= python3
DOMAIN ?=
TASK ?=
BASE ?=
FROM ?=
PROFILE ?= quick
ARGS ?=
TORCH ?= 2.13.0
.DEFAULT_GOAL := help
.PHONY: help adapt finetune compare tune doctor checkpoints test check bench format lock clean
stamp := .venv/.stamp
run := .venv/bin/domain-adapt

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1|/' | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

$(stamp): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -q -c constraints.txt -e '.[embedded,dev]'
	touch $@

adapt: $(stamp)  ## stage 1: adapt a base to a domain (DOMAIN=medical BASE=mini PROFILE=quick ARGS=...)
	$(run) adapt $(DOMAIN) --profile $(PROFILE) $(if $(BASE),--base $(BASE)) $(ARGS)

finetune: $(stamp)  ## stage 2: fine-tune the adapted model on a task (TASK=qa DOMAIN=medical FROM=medical@v1 ARGS=...)
	$(run) finetune $(TASK) --profile $(PROFILE) $(if $(DOMAIN),--domain $(DOMAIN)) $(if $(FROM),--from $(FROM)) $(if $(BASE),--base $(BASE)) $(ARGS)

compare: $(stamp)  ## did it help? base against the adapted model (TASK=qa DOMAIN=medical FROM=base,medical@v1 ARGS='--seeds 5')
	$(run) compare $(or $(TASK),qa) --profile $(PROFILE) $(if $(DOMAIN),--domain $(DOMAIN)) $(if $(FROM),--from $(FROM)) $(ARGS)

tune: $(stamp)  ## stage 2 with a search for better settings (TASK=qa DOMAIN=medical FROM=medical@v1 ARGS='--trials 20')
	$(run) tune $(TASK) --profile $(PROFILE) $(if $(DOMAIN),--domain $(DOMAIN)) $(if $(FROM),--from $(FROM)) $(if $(BASE),--base $(BASE)) $(ARGS)

doctor: $(stamp)  ## measure what this machine makes of stage 1 (DOMAIN=medical BASE=mini PROFILE=quick ARGS=...)
	$(run) doctor $(DOMAIN) --profile $(PROFILE) $(if $(BASE),--base $(BASE)) $(ARGS)

checkpoints: $(stamp)  ## list the published checkpoints
	$(run) checkpoints $(ARGS)

test: $(stamp)  ## run the test suite
	.venv/bin/pytest -n 2 $(ARGS)

check: $(stamp)  ## format check, lint, types, import contracts
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports

bench: $(stamp)  ## speed against transformers.Trainer, share of the machine's peak, data side; some minutes
	.venv/bin/python benchmarks/adapt_vs_trainer.py --rounds 1 --steps 8 --bf16-steps 4
	.venv/bin/python benchmarks/scaling.py && .venv/bin/python benchmarks/scaling.py --profile
	.venv/bin/python benchmarks/finetune_vs_trainer.py --rounds 1 --steps 8 && .venv/bin/python benchmarks/span_decoding.py --rounds 1
	.venv/bin/python benchmarks/loader.py && .venv/bin/python benchmarks/allocator.py --rounds 1

format: $(stamp)  ## format and mend what the linter can
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lock:  ## resolve all dependencies anew and pin them in constraints.txt (TORCH=2.13.0)
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install -q torch==$(TORCH) '.[embedded,dev]'
	.venv-lock/bin/pip freeze --exclude domain-adapt | sed 's/+cpu$$//' > constraints.txt
	rm -rf .venv-lock

clean:  ## remove the virtual environment and caches (runs and checkpoints stay)
	rm -rf .venv .venv-lock .cache .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis build dist
