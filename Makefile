PY := .venv/bin/python
# The checks must not depend on what runs or ran in this checkout.
BLANK := SECRET_KEY=check DESK_LOCAL=true DATABASE_URL=sqlite://:memory: REDIS_URL=redis://127.0.0.1:1/0
UV_COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-header --no-annotate $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help run test check bench soak lock audit zappa-settings package deploy rollback packages dev-packages lambda-packages

help:
	@echo "make run     start the desk on http://127.0.0.1:$${PORT:-8000}; Ctrl-C stops it; state stays in var/"
	@echo "make test    run the whole suite, on a real PostgreSQL and Redis of its own; ARGS='-k name' picks tests"
	@echo "make check   format, lint, types, import rules, migrations, system checks, API schema, lock files"
	@echo "make soak    play SEEDS=20000 more seeded stories of a desk in trouble, or one again: SEED=7"
	@echo "make bench   benchmarks, JSON on the last line; ARGS=panel for pages with a million alerts"
	@echo "make zappa-settings STAGE=demo   write zappa_settings.demo.json with what Terraform made (docs/lambda.md)"
	@echo "make package STAGE=demo          pack the function for AWS Lambda into var/packages/"
	@echo "make deploy STAGE=demo           check, pack, release, look; go back when it is not well (docs/releasing.md)"
	@echo "make rollback STAGE=demo         go back to the code that was released before"
	@echo "make audit   known vulnerabilities of the lock files, and what is out of date; needs the network"
	@echo "make lock    write the requirements files anew from pyproject.toml"

packages:
	@scripts/setup local

dev-packages:
	@scripts/setup dev

lambda-packages:
	@scripts/setup lambda

run: packages
	@exec $(PY) manage.py run_desk --stop-with-parent

test: dev-packages
	@$(PY) -m pytest $(ARGS)

check: dev-packages
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	@$(PY) -c "from importlinter.cli import lint_imports_command as main; main()"
	$(BLANK) $(PY) manage.py makemigrations --check --dry-run
	$(BLANK) $(PY) manage.py check
	$(BLANK) $(PY) manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(PY) scripts/check_locks.py
	@$(PY) -m pip check

# `make test` plays the first 2,000.
soak: dev-packages
	@$(PY) -m tests.simulation $(if $(SEED),--seed $(SEED),--first 2000 --seeds $(or $(SEEDS),20000))

bench: dev-packages
	@$(PY) -m tests.bench $(ARGS)

zappa-settings: lambda-packages
	@.venv-lambda/bin/python scripts/zappa_settings.py $(or $(STAGE),$(error STAGE=demo or STAGE=live)) $(ARGS)

package: lambda-packages
	@.venv-lambda/bin/python scripts/package.py $(or $(STAGE),$(error STAGE=demo or STAGE=live)) $(ARGS)

deploy: dev-packages
	@$(PY) scripts/release.py deploy $(or $(STAGE),$(error STAGE=demo or STAGE=live)) $(ARGS)

rollback: dev-packages lambda-packages
	@$(PY) scripts/release.py rollback $(or $(STAGE),$(error STAGE=demo or STAGE=live)) $(ARGS)

# The list of what is out of date is for reading; the vulnerabilities say how it ends.
audit: dev-packages
	@$(PY) -m pip list --outdated
	@$(PY) scripts/audit.py

# The lock files name no registry: the one that uv is set up with serves them.
lock: dev-packages
	$(UV_COMPILE) pyproject.toml -o requirements.txt
	$(UV_COMPILE) pyproject.toml --group local -c requirements.txt -o requirements-local.txt
	$(UV_COMPILE) pyproject.toml --group dev -c requirements-local.txt -o requirements-dev.txt
	$(UV_COMPILE) pyproject.toml --group lambda -c requirements-dev.txt -o requirements-lambda.txt
	$(UV_COMPILE) pyproject.toml --group server -c requirements-dev.txt -o requirements-server.txt
	$(PY) scripts/check_locks.py
