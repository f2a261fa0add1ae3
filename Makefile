# Two commands: `make demo` to see it work, `make test` to check it. Only make and python3 (3.11 or newer) are needed.
#
#   make demo          trains on the paper's 25 modes and on eight schools, NUTS beside; tables here, pictures in demo/
#   make test          ARGS goes on to pytest:  make test ARGS='-k funnel -x'
#   make lint          style, types, and the order of imports
#   make clean         removes what builds, tools and the demo left behind; keeps .venv and runs/
#   make constraints   pins the newest versions that fit pyproject.toml

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
USE := .venv/.ready-to-use
WORK := .venv/.ready-to-work

.PHONY: demo test lint clean constraints
.DELETE_ON_ERROR:

# Bytecode is written when a module is first imported (see --no-compile), also where the environment says not to:
# otherwise every command would compile jax again.
export PYTHONDONTWRITEBYTECODE :=

demo: $(USE)
	rm -rf demo
	$(BIN)/biglearn train grid25 --set start.mean=-5 --set start.sd=0.1 --baseline nuts --out demo/grid25
	$(BIN)/biglearn train eight_schools --baseline nuts --out demo/eight_schools

test: $(WORK)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(WORK)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

clean:
	rm -rf build demo dist *.egg-info examples/plugin_template/build examples/plugin_template/*.egg-info
	rm -rf .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

constraints: $(WORK)
	$(BIN)/python -m pip install uv
	$(BIN)/uv pip compile --universal --upgrade --quiet --custom-compile-command 'make constraints' \
		--python-version 3.11 pyproject.toml --group dev --output-file constraints.txt

# --no-compile: to compile all of jax and scipy takes longer than to install them.
INSTALL := $(BIN)/python -m pip install --no-compile --constraint constraints.txt

# pip first: the one that comes with Python may be slow, and too old to know --group.
$(USE): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(INSTALL) --upgrade pip
	$(INSTALL) --editable .
	touch $@

$(WORK): $(USE)
	$(INSTALL) --group dev
	touch $@
