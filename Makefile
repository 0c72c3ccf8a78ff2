# make test: every check.  make demo: the guided report.  make editor: the editor's page.
# make reference: docs/commands.md and docs/configuration.md.
# All set up .venv on their first run.
PYTHON ?= python3
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
DEV := $(VENV)/.installed-dev
RUN := $(VENV)/.installed
WEB := $(VENV)/.installed-web

export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1
# A test run starts many interpreters, which need not compile the same modules each.
unexport PYTHONDONTWRITEBYTECODE
# Of what is installed, a third is ever imported, and compiled then.
PIP_INSTALL := $(BIN)/pip install --quiet --no-compile

.PHONY: test types tests demo editor format reference clean

test: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory -j2 types tests

# One process, which the tests need not wait for.
types: $(DEV)
	$(BIN)/mypy src tests

tests: $(DEV)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

demo: $(RUN)
	@$(BIN)/rabit demo --out demo-report --overwrite

editor: $(WEB)
	@env -u OMP_NUM_THREADS $(BIN)/rabit serve --open

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages that are made of the code's own words; tests say when they are out of date.
reference: $(DEV)
	$(BIN)/typer rabit.app.cli utils docs --name rabit --title Commands --output docs/commands.md
	$(BIN)/python tests/configuration_page.py docs/configuration.md

clean:
	rm -rf $(VENV) build dist demo-report .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than pyproject.toml exactly when its packages are installed.
$(DEV): pyproject.toml
	@echo "Installing into $(VENV): some minutes where PyTorch is not in pip's cache."
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e '.[dev]'
	touch $(RUN) $(WEB) $(DEV)

$(RUN): pyproject.toml
	@echo "Installing into $(VENV): some minutes where PyTorch is not in pip's cache."
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e .
	touch $(RUN)

$(WEB): pyproject.toml
	@echo "Installing into $(VENV): some minutes where PyTorch is not in pip's cache."
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e '.[web]'
	touch $(RUN) $(WEB)
