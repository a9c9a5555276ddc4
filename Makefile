# The commands of the course. `make help` lists them. Without make: see README.md.
PYTHON ?= python3
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := .venv/bin
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
# Cell ids stay, or every save would change them; the Python version goes, or every learner's save would.
STRIP := $(BIN)/nbstripout --keep-id --extra-keys metadata.language_info.version

.DEFAULT_GOAL := help
.PHONY: help lab course test lint format bench wheels lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: .venv/.installed-lab ## open the course in JupyterLab
	@$(BIN)/mssnet-edu lab

course: .venv/.installed-lab ## run every notebook from a clean kernel; the pages go to build/course
	@$(BIN)/python -m tools.notebooks.run $(ARGS)

test: .venv/.installed-test ## run all tests with the network blocked (ONLY="unit doctest" for some)
	@$(BIN)/python -m tools.notebooks.run_tests $(ONLY)

lint: .venv/.installed-test ## check style and types, and that notebooks carry no outputs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright --pythonpath $(BIN)/python
	@$(if $(NOTEBOOKS),$(STRIP) --verify $(NOTEBOOKS))

format: .venv/.installed-test ## repair what `make lint` finds, where a machine can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(if $(NOTEBOOKS),$(STRIP) $(NOTEBOOKS))

bench: .venv/.installed-test ## time the networks against a fixed piece of work; build/bench.json
	@$(BIN)/python -m tools.notebooks.bench

wheels: .venv/.installed-test ## build the two wheels to hand out; dist/
	@$(BIN)/python -m tools.notebooks.wheels

lock: ## write constraints.txt anew, changing as little as can be (needs uv)
	@mkdir -p build && cp constraints.txt build/lock.txt
	@uv pip compile --universal --python-version 3.11 --all-extras --no-header --no-annotate --quiet pyproject.toml -o build/lock.txt
	@{ head -n 2 constraints.txt; cat build/lock.txt; } > build/constraints.txt
	@mv build/constraints.txt constraints.txt

clean: ## remove what was built (.venv stays: rm -r .venv)
	@rm -rf build dist .pytest_cache .ruff_cache

# The stamps: while they are newer than these files, nothing is installed again.
.venv/.installed-lab: pyproject.toml constraints.txt tools/notebooks/install.py
	@command -v $(PYTHON) > /dev/null || { echo "No $(PYTHON) found. Install Python 3.11 or newer, or run: make PYTHON=/path/to/python lab"; exit 1; }
	@$(PYTHON) tools/notebooks/install.py --torch-index "$(TORCH_INDEX)"

.venv/.installed-test: pyproject.toml constraints.txt tools/notebooks/install.py
	@command -v $(PYTHON) > /dev/null || { echo "No $(PYTHON) found. Install Python 3.11 or newer, or run: make PYTHON=/path/to/python test"; exit 1; }
	@$(PYTHON) tools/notebooks/install.py --test --torch-index "$(TORCH_INDEX)"
