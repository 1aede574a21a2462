# `make search` and `make test` are all a new user needs; both set up .venv first, once.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: search test slow lint types format docs pythons datasets setup clean

search: setup
	$(BIN)/archgym search --env systolic --agent ppo --workload resnet50

test: lint types
	$(BIN)/python -m pytest -m "not slow" -n 2

# The other tests, half a minute or more each.
slow: setup
	$(BIN)/python -m pytest -m slow -n 2

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The site, into build/site; a warning is an error. The other variable keeps an advertisement out of the output.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The core, without extras, on the other Pythons that pyproject.toml declares, or those that PYTHONS names.
PYTHONS ?= python3.12 python3.13
CORE := tests/test_space.py tests/test_objective.py tests/test_registry.py \
	tests/envs/test_base.py tests/envs/test_evaluator.py tests/search/test_loop.py tests/workloads/test_spec.py

pythons:
	set -e; for python in $(PYTHONS); do \
		place=build/$$($$python -c 'import platform; print("python", platform.python_version(), sep="-")'); \
		$$python -m venv $$place; \
		$$place/bin/pip install --quiet -c constraints.txt -e . hypothesis pytest; \
		$$place/bin/python -m pytest -p no:cacheprovider $(CORE); \
		$$place/bin/archgym search --workload resnet18 --agent genetic --budget 1000 --out $$(mktemp -d)/run; \
	done

# The reference data sets: 1,200 designs of each of four workloads per environment, the last workload held out.
DATASET := $(BIN)/archgym dataset generate --quiet --force --n 1200

datasets: setup
	$(DATASET) --env systolic --workloads resnet50,mobilenetv2,bert-base,gpt2-xl:decode \
		--hold-out gpt2-xl --out datasets/systolic
	$(DATASET) --env pim --workloads 'llama2-7b:decode?batch=4,gpt2-xl:decode,resnet50,llama3-8b:decode' \
		--hold-out llama3-8b --out datasets/pim
	$(DATASET) --env wafer --workloads 'llama3-8b:decode?context=4096&bits=16,llama2-7b:decode?bits=16' \
		--workloads 'bert-base?bits=16,gpt3-13b:decode?bits=16' --hold-out gpt3-13b --out datasets/wafer
	$(DATASET) --env fpga --workloads llama2-7b:decode,resnet50,bert-base,mobilenetv2 \
		--hold-out mobilenetv2 --out datasets/fpga
	$(DATASET) --env xr --workloads xr-vr-gaming,xr-ar-gaming,xr-ar-assistant,xr-social-interaction-a \
		--hold-out xr-social-interaction-a --out datasets/xr

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "archgym needs Python 3.11 or newer: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[rl,dev]'
	@touch $(READY)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
