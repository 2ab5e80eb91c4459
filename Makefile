# Two commands are all a fresh clone needs: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= demo
DEMO_STEPS ?= 2000
TABLE1 ?= table1
TABLE1_STEPS ?= 20

.PHONY: setup demo table1 test check docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: name another with make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# The user's own commands, one after the other, on the sample corpus; run again, it goes on where it was.
demo: $(STAMP)
	$(BIN)/flnet demo --out $(DEMO) --steps $(DEMO_STEPS)

# Table 1 and Figure 3 on drawn faces, small: a TIMIT-like half (the bank from another clip of the speaker) and a
# FaceForensics-like one (a clip a person, the bank from the same clip). Run again, it goes on where it was.
FF_VIDEOS := $(TABLE1)/faceforensics/original_sequences/youtube/raw/videos
table1: $(STAMP)
	$(BIN)/flnet build sample --corpus-root $(TABLE1)/timit-corpus --out $(TABLE1)/timit \
	    --speakers 6 --clips 3 --seconds 1.5
	$(BIN)/python -m pipeline.sample --out $(TABLE1)/one-each --speakers 8 --clips 1 --seconds 1.5 --seed 1 --workers 2
	@mkdir -p $(FF_VIDEOS)
	@n=0; for clip in $(TABLE1)/one-each/volunteers/*/Clips/straightcam/*.mp4; do \
	    test -e $(FF_VIDEOS)/00$$n.mp4 || cp "$$clip" $(FF_VIDEOS)/00$$n.mp4; n=$$((n + 1)); done
	$(BIN)/flnet build faceforensics --corpus-root $(TABLE1)/faceforensics --out $(TABLE1)/ff
	$(BIN)/flnet table1 --datasets timit=$(TABLE1)/timit,ff=$(TABLE1)/ff \
	    --out $(TABLE1)/runs --seeds 0 --steps $(TABLE1_STEPS) --image-size 64 --base-channels 8 --batch-size 8 \
	    --network-flags '{"flnet": "--perceptual-weight 0"}' --stride 4 --checkpoint-every 10 --at-once 2
	@echo
	@echo "the table            $(TABLE1)/runs/table1.md, table1.json"
	@echo "the figure           $(TABLE1)/runs/figure3.png"
	@echo "the runs             $(TABLE1)/runs/timit/, $(TABLE1)/runs/ff/"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

# Four processes at most: each makes the small corpora of its own tests.
test: check
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# The documentation as a site of its own, to open from the disk; a link that leads nowhere is an error.
docs: $(STAMP)
	@test -x $(BIN)/mkdocs || $(BIN)/pip install --constraint constraints.txt --quiet --editable '.[dev,docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) $(DEMO) $(TABLE1) site *.egg-info .mypy_cache .ruff_cache .pytest_cache
