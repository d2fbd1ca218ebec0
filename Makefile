# On a fresh machine with Python 3.11 or later (with venv and pip), make and git:
#
#     make demo         the sweep of sweeps/demo.yaml, seven values of beta on real handwriting, and its figures
#     make figures      the gallery: the runs of docs/gallery that are not there yet, then a figure of each kind
#     make test         the fast tests
#     make test-slow    the slow ones, each a real case
#     make lint         ruff, its formatter and mypy
#     make clean        remove what these leave behind
#
# `make demo` and `make figures` install what users get (the latter adds plotly), the others the developers' tools too.
# CONTRIBUTING.md says how to use a CPU build of torch, or one that is installed already.

PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
CONSTRAINTS ?= constraints.txt

# The networks here are small: a second thread gains little, and on a busy machine costs several times over.
export OMP_NUM_THREADS ?= 1

# Slow tests that have both cores to themselves: they limit times, kill processes, or start several.
ALONE := tests/launch tests/process $(addprefix tests/experiment/,test_processes.py test_kills.py test_threads.py) \
	tests/commands/test_command.py

python := $(VENV)/bin/python
figures := $(foreach name,plane curves,figures/$(name).pdf figures/$(name).png)

GALLERY := $(sort $(wildcard docs/gallery/*.sh))

.PHONY: install install-dev demo figures test test-slow lint clean
.DELETE_ON_ERROR:

install: $(VENV)/installed

install-dev: $(VENV)/installed-dev

$(python):
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "give Python 3.11 or later: make PYTHON=PATH")'
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)

$(VENV)/installed: pyproject.toml $(CONSTRAINTS) | $(python)
	$(python) -m pip install $(CONSTRAINTS:%=-c %) -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml $(CONSTRAINTS) | $(python)
	$(python) -m pip install $(CONSTRAINTS:%=-c %) -e '.[dev]'
	@touch $(VENV)/installed $@

# It ends in an empty line, so that every call is a line of the recipe.
define draw
$(python) -m analysis $(basename $(notdir $(1))) runs/demo -o $(1)

endef

demo: install
	$(python) -m vae_rd.sweep sweeps/demo.yaml
	$(foreach figure,$(figures),$(call draw,$(figure)))
	@echo; $(python) -m analysis table runs/demo
	@echo; echo 'figures, and their numbers beside them as CSV:'; ls $(figures)
	@echo; echo 'run records:'; ls runs/demo/*/record.json

# Each step goes on where it was stopped: a run that is there is not fitted again.
figures: install
	$(python) -m vae_rd.sweep sweeps/gallery_digits.yaml
	$(python) -m vae_rd.sweep sweeps/gallery_sprites.yaml
	$(python) -m vae_rd.sweep sweeps/gallery_ways.yaml --launcher continuation
	$(python) -m vae_rd.fit --config configs/gallery_autoencoder.yaml --run_dir runs/gallery_digits --resume auto --wandb off
	test -f runs/gallery_digits/probed || $(python) -m vae_rd.evaluate runs/gallery_digits/*-seed0-* --probe --examples 600
	touch runs/gallery_digits/probed
	$(python) -c 'import plotly' || $(python) -m pip install $(CONSTRAINTS:%=-c %) -e '.[report]'
	for script in $(GALLERY); do PATH="$(abspath $(VENV)/bin):$$PATH" sh $$script || exit 1; done
	$(python) docs/gallery/page.py

test: install-dev
	OMP_NUM_THREADS=1 $(python) -m pytest -n auto --dist worksteal

test-slow: install-dev
	$(python) -m pytest -m slow -n 2 --dist loadfile $(ALONE:%=--ignore=%)
	$(python) -m pytest -m slow $(ALONE)

lint: install-dev
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy

clean:
	rm -rf .venv *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf runs/demo runs/gallery_* figures/gallery figures/plane.* figures/curves.*
	find analysis benchmarks tests vae_rd -type d -name __pycache__ -prune -exec rm -r {} +
