# Two commands are all a fresh clone needs: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= demo
DEMO_STEPS ?= 2000

.PHONY: setup demo test check clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else f"Python 3.10 to 3.13 is needed, this is {v[0]}.{v[1]}: name another with make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# The user's own commands, one after the other, on the sample corpus; run again, it goes on where it was.
demo: $(STAMP)
	$(BIN)/luigi --module pipeline BuildSample --corpus-root $(DEMO)/corpus --out $(DEMO)/dataset
	$(BIN)/python -m pipeline check $(DEMO)/dataset
	$(BIN)/python -m pipeline report $(DEMO)/dataset
	$(BIN)/python -m model.train --shards $(DEMO)/dataset --out $(DEMO)/run --resume --steps $(DEMO_STEPS) \
	    --image-size 64 --base-channels 16 --batch-size 4 --learning-rate 1e-3 --decay-share 0.5 --guide landmarks \
	    --perceptual-weight 0 --adversarial-weight 0 --checkpoint-every 500 --picture-every 500
	$(BIN)/python -m model.evaluate --shards $(DEMO)/dataset --checkpoint $(DEMO)/run
	$(BIN)/python -m model.animate --checkpoint $(DEMO)/run --show masks --out $(DEMO)/animation.mp4 \
	    --source $(DEMO)/corpus/volunteers/08F/Clips/straightcam/sa1.mp4 \
	    --driver $(DEMO)/corpus/volunteers/09F/Clips/straightcam/sa2.mp4
	@echo
	@echo "the sample corpus    $(DEMO)/corpus/"
	@echo "its dataset          $(DEMO)/dataset/       open $(DEMO)/dataset/report/index.html"
	@echo "the training run     $(DEMO)/run/           curves: $(BIN)/tensorboard --logdir $(DEMO)/run"
	@echo "figures and picture  $(DEMO)/run/evaluation/test.md, test.png"
	@echo "the talking clip     $(DEMO)/animation.mp4"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) $(DEMO) *.egg-info .mypy_cache .ruff_cache .pytest_cache
