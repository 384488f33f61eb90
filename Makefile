# make demo   install into .venv and open the embedded demo; without a terminal, its table
# make test   install and run the tests; make test-long the long ones too, but those of hours
# make soak   hours of work beside kills, full disks and moved clocks (docs/soak.md); MINUTES=120 SEED=1
# make lint   ruff, mypy --strict, import-linter
# make bench  the benchmarks (ratios; they never fail on time)
# make bench-gpu  those that need a GPU; each call goes on where the last one ended; DRY=1 tries
#             every cell in miniature on the CPU
# make wheelhouse  all wheels into dist/wheelhouse, for a machine without network (docs/offline.md);
#             FOR_PYTHON=3.12 PLATFORM=manylinux_2_28_x86_64 CUDA=cu128 INDEX=URL EXTRAS=llamacpp,serve
# make clean  remove .venv, build results and caches

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-long soak lint bench bench-gpu wheelhouse clean install

demo: $(STAMP)
	$(BIN)/kwtui demo

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not long and not soak" -n 2 --dist loadfile --reruns 2 --durations=25

test-long: $(STAMP)
	$(BIN)/python -m pytest -m "not soak"

soak: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak --minutes $(or $(MINUTES),120) $(if $(SEED),--seed $(SEED))

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	@set -e; for file in tests/benchmarks/*.py; do echo "== $$file"; $(BIN)/python -P $$file; done

bench-gpu: $(STAMP)
	@$(BIN)/python -P tests/benchmarks/gpu/all.py $(if $(DRY),--dry-run --out build/bench-gpu-dry)

wheelhouse:
	$(PYTHON) offline/gather.py --out dist/wheelhouse \
		$(if $(FOR_PYTHON),--python $(FOR_PYTHON)) $(foreach p,$(PLATFORM),--platform $p) \
		$(if $(CUDA),--cuda $(CUDA)) $(foreach i,$(INDEX),--index $i) \
		$(if $(EXTRAS),--extras $(EXTRAS))

install: $(STAMP)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
