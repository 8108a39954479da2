# Two commands do everything on a fresh Debian machine with Python 3.11:
#   make demo   restores the bundled sample and shows what changed
#   make test   passes the tests
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Threads that wait must not spin: others may need the core.
export OMP_WAIT_POLICY := PASSIVE
XVFB := xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX"
# Two files at a time: much of a test is waiting for processes and for Qt.
TWO := -n 2 --dist loadfile

.PHONY: help demo test test-slow test-gpu test-pyqt6 lint types docs screenshot clean

help:
	@sed -n 's/^#   //p' Makefile

$(VENV)/core: pyproject.toml tools/setup.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh tools/setup.sh core

$(VENV)/test: $(VENV)/core
	PYTHON=$(PYTHON) VENV=$(VENV) sh tools/setup.sh test

demo: $(VENV)/core
	$(BIN)/diffir demo

test: $(VENV)/test
	$(XVFB) $(BIN)/python -m pytest $(TWO) -m "not slow and not gpu"

test-slow: $(VENV)/test
	$(XVFB) $(BIN)/python -m pytest -m slow

test-gpu: $(VENV)/test
	$(XVFB) $(BIN)/python -m pytest -m gpu

$(VENV)/pyqt6: $(VENV)/test
	PYTHON=$(PYTHON) VENV=$(VENV) sh tools/setup.sh pyqt6

# The viewer's tests once more, with the other Qt binding.
test-pyqt6: $(VENV)/pyqt6
	QT_API=pyqt6 $(XVFB) $(VENV)-pyqt6/bin/python -m pytest $(TWO) -o qt_api=pyqt6 \
		-m "not slow and not gpu" tests/napari

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test
	$(BIN)/mypy

# The pages of docs/ as a site below site/.
docs: $(VENV)/core
	$(BIN)/pip install -q zensical
	$(BIN)/zensical build

screenshot: $(VENV)/test
	$(XVFB) $(BIN)/python tools/screenshot.py docs/images/restore.png
	$(XVFB) $(BIN)/python tools/screenshot_stream.py docs/images/stream.png \
		docs/images/stream-done.png
	$(XVFB) $(BIN)/python tools/screenshot_ipr.py docs/images/ipr.png

clean:
	rm -rf $(VENV) $(VENV)-pyqt6 diffir-demo
