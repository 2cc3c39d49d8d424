# make demo: the main job, from raw files to PDFs.  make test: all tests.  make quick: a minute of
# tests.  make portability: the numerical tests on other processors' code paths.  make check: lint.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test quick portability check proof clean

# Code paths of the numerical libraries that other processors and thread counts take. A comma joins
# variables that are set together.
SETTINGS ?= MKL_CBWR=COMPATIBLE MKL_CBWR=AVX2 MKL_CBWR=SSE4_2 \
            ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2 OMP_NUM_THREADS=2
NUMERICAL ?= tests/lowrank tests/kinetics tests/learn tests/test_features.py

# Real and simulated folders, all the way; ends by saying where the results are.
demo: $(READY)
	@echo "1/3  a simulated lab with known truth"
	@$(BIN)/stopflow simulate data/simulated --folders 8 --seed 1
	@echo "2/3  rates of all shots, real (Fe-SCN) and simulated; predictions of the shipped model"
	@$(BIN)/stopflow run data || test $$? -eq 1
	@echo "3/3  a network of your own: dynamical low-rank, three experiments held out"
	@$(BIN)/stopflow train --layer dlrt --rank 50
	@echo
	@echo "Open reports/kinetics.pdf (rates, verdicts, plots) and reports/dlrt.pdf (the network);"
	@echo "tables: reports/rates.xlsx, reports/rates.csv, reports/predictions.csv."

# One BLAS thread a process: there is a process a core.
test: export OMP_NUM_THREADS = 1
test: $(READY)
	$(BIN)/python -m pytest -n 2

quick: export OMP_NUM_THREADS = 1
quick: $(READY)
	$(BIN)/python -m pytest -n 2 --quick

portability: $(READY)
	@log=$$(mktemp); failed=0; for setting in $(SETTINGS); do \
	  printf '%-55s' "$$setting"; \
	  if env OMP_NUM_THREADS=1 $$(echo $$setting | tr , ' ') \
	    $(BIN)/python -m pytest -n 2 $(NUMERICAL) >"$$log" 2>&1; then tail -n 1 "$$log"; \
	  else failed=1; echo FAILED; cat "$$log"; fi; \
	done; rm -f "$$log"; exit $$failed

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

proof: export OMP_NUM_THREADS = 1
proof: $(READY)
	$(BIN)/python -m pytest -n 2 --full -m slow

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "stopflow needs Python 3.11 or newer; name one with: make PYTHON=python3.12")'
	@echo "Setting up $(VENV) (a few minutes the first time) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
