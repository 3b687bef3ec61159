# Two commands do everything: `make app` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A browser is opened only where there is a screen to show it on.
OPEN := $(if $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname -s)),--open)

.PHONY: app test train lint format screenshots bench guard audit clean

app: $(VENV)/.app
	$(BIN)/python app.py $(OPEN)

# Two processes, a file of tests in one of them: most wait for a server, a page or a process that they began.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

train: $(VENV)/.app
	$(BIN)/python -m lightning_modules.train fit

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

screenshots: $(VENV)/.dev
	$(BIN)/python -m docs.draw_screenshots

# Fails only where something has become more than twice as slow; a part of what every change must pass.
guard: $(VENV)/.dev
	$(BIN)/python -m benchmarks.guard

# Asks a database of known vulnerabilities, which needs the internet.
audit: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet pip-audit==2.10.1
	$(BIN)/pip-audit -r requirements.txt --no-deps --disable-pip

# Half an hour on two cores; see docs/performance.md. Nothing else should run meanwhile.
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.engines
	$(BIN)/python -m benchmarks.layers
	$(BIN)/python -m benchmarks.decoding
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.batch
	$(BIN)/python -m benchmarks.exports
	$(BIN)/python -m benchmarks.loading
	$(BIN)/python -m benchmarks.page

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: $(BIN)/python requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(call HEADLESS_OPENCV)
	touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(call HEADLESS_OPENCV)
	touch $@

# imgaug asks for opencv-python, which needs libGL; servers have none. The headless build is the same library without
# its windows.
define HEADLESS_OPENCV
@$(BIN)/python -c 'import cv2' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
  --force-reinstall --no-deps opencv-python-headless==5.0.0.93
endef
