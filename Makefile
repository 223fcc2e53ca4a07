# Every target sets itself up: a virtual environment in .venv, made by tools/setup.sh.
# Tests start hundreds of Python processes, which read compiled modules where there are any.
unexport PYTHONDONTWRITEBYTECODE
# One test process a core: threads of their own would only get in each other's way.
test test-browser test-slow test-real: export OMP_NUM_THREADS = 1
test test-browser test-slow test-real: export OMP_WAIT_POLICY = PASSIVE

.PHONY: setup demo test test-browser test-slow test-real lint types check format bench bench-gpu proof claims claims-quick fuzz kill constraints sbom clean

setup:
	@tools/setup.sh

demo: setup  ## scenes -> shards -> training -> evaluations -> a report
	@tools/demo.sh

# Tests also wait for processes and servers: one test process more than cores keeps the cores busy.
test: setup  ## the test suite, on all cores, then the tests of pages
	.venv/bin/pytest --numprocesses $$(($$(env -u OMP_NUM_THREADS nproc) + 1)) --dist worksteal
	$(MAKE) test-browser

# Chromium without a GPU now and then stops answering, so what fails is tried once more.
test-browser: BROWSER_TESTS = .venv/bin/pytest --numprocesses auto --dist worksteal -m browser tests/browser
test-browser: setup  ## the tests of pages in Chromium; they are skipped where there is none
	$(BROWSER_TESTS) || $(BROWSER_TESTS) --last-failed

test-slow: setup  ## also what takes more than a few seconds
	.venv/bin/pytest --numprocesses auto --dist worksteal -m "not gpu and not browser"
	$(MAKE) test-browser

test-real: setup  ## the slow tests on real recordings, where these are at hand
	.venv/bin/pytest --numprocesses auto --dist worksteal -m "real and slow"

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: setup
	.venv/bin/mypy

check: lint types test test-real  ## all that continuous integration runs

format: setup
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: setup  ## speed as ratios, area by area (docs/speed.md); takes a quiet machine
	.venv/bin/python tools/bench.py

bench-gpu: setup  ## speed of training steps on a GPU, in less than 8 minutes
	.venv/bin/python tools/bench_gpu.py

proof: setup  ## that the small recipe learns (docs/results); more than an hour on 2 cores
	PYTHONPATH=$(CURDIR)/tools .venv/bin/python -m proof --out proof

claims: setup  ## the paper's claims on synthetic scenes: every variant, trained and evaluated; about 5 hours on 2 cores
	PYTHONPATH=$(CURDIR)/tools .venv/bin/python -m claims --out claims

claims-quick: setup  ## the same for five variants, one seed and fewer scenes; about 36 minutes on 2 cores
	PYTHONPATH=$(CURDIR)/tools .venv/bin/python -m claims --out claims-quick --size quick

fuzz: setup  ## 10,000 inputs at every place that reads data of others; about two hours on 2 cores
	PYTHONPATH=$(CURDIR)/tools .venv/bin/python -m fuzzing --keep fuzz-faults

kill: setup  ## every long command, killed at random moments; more than an hour on 2 cores
	PYTHONPATH=$(CURDIR)/tools .venv/bin/python -m kill --kills 1000 --out kills

constraints:  ## choose the pinned versions anew, within the bounds of pyproject.toml
	.venv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --output-file constraints.txt
	echo uv | .venv/bin/uv pip compile - --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --output-file tools/uv.txt

sbom: setup  ## sbom.json: all installed packages with versions and licences, in CycloneDX
	.venv/bin/uv tool run --from 'cyclonedx-bom>=7,<8' cyclonedx-py environment .venv \
		--pyproject pyproject.toml --output-reproducible --output-file sbom.json

clean:
	rm -rf demo sbom.json fuzz-faults kills .pytest_cache .mypy_cache .ruff_cache .hypothesis
