# Each target is one command; `make` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
ARGS ?=
DRAFTS ?=

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: $(VENV)/.run ## set up, and revise the shipped sample: what changed, why, and the verdicts
	@$(BIN)/clinalign revise --file examples/chest_pressure.json $(ARGS)

test: $(VENV)/.dev ## run the tests (network not needed)
	@$(BIN)/pytest -m "not slow and not vllm and not inspect" $(ARGS)

test-slow: $(VENV)/.dev ## those that take long: Ray, kills, packaging, the measurements' own commands, simulations (25 minutes)
	@$(BIN)/pytest -m "slow and not vllm and not inspect" $(ARGS)

test-vllm: $(VENV)/.dev ## the tests with a real vLLM for CPUs, served and in training, in environments of its own (5.5 GB, once)
	@PYTHON=$(PYTHON) tests/vllm_env.sh
	@PYTHON=$(PYTHON) tests/vllm_train_env.sh
	@.venv-vllm/bin/python -m pytest --noconftest -o addopts="-q --timeout 300" tests/test_vllm_in_process.py $(ARGS)
	@$(BIN)/pytest -n 0 -m vllm $(ARGS) tests/test_vllm_server.py tests/test_vllm_prefix.py tests/test_vllm_trained.py tests/test_docker_vllm.py \
	  tests/test_vllm_training.py

test-inspect: ## the inspect_ai task, in an environment of its own (2.1 GB, once)
	@PYTHON=$(PYTHON) tests/inspect_env.sh
	@.venv-inspect/bin/mypy evals/inspect_*.py
	@.venv-inspect/bin/python -m pytest -o addopts="-q --strict-markers --timeout 300" tests/test_inspect_task.py \
	  tests/test_inspect_scores.py tests/test_inspect_cli.py $(ARGS)

check: $(VENV)/.dev ## format, lint, types, import contracts, principles, rubrics, fitted thresholds
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/clinalign principles lint
	@$(BIN)/clinalign rubrics lint
	@$(BIN)/python -m training.fit_detectors --check

fix: $(VENV)/.dev ## format and mend what ruff can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

fit: $(VENV)/.run ## fit the embedded critic's thresholds to the library, after changing a principle
	@$(BIN)/python -m training.fit_detectors

app: $(VENV)/.app ## the chat, on http://127.0.0.1:7860
	@$(BIN)/python app.py $(ARGS)

serve: $(VENV)/.run ## the agent behind any OpenAI client, on http://127.0.0.1:8000/v1
	@$(BIN)/clinalign serve $(ARGS)

train-smoke: $(VENV)/.train ## align a tiny model made here by GRPO, three seeds and a control: does the held-out reward rise?
	@$(BIN)/python -m training.alignment.smoke $(ARGS)

bench: $(VENV)/.train ## what the agent costs: alone, over a model's calls, behind the server, in batches; reviews, synthesis, distillation, rewards (45 minutes); DRAFTS=file of drafts
	@$(BIN)/clinalign eval speed $(DRAFTS)
	@$(BIN)/clinalign eval overhead $(DRAFTS)
	@$(BIN)/clinalign eval load $(DRAFTS)
	@$(BIN)/clinalign eval batch efficiency $(DRAFTS)
	@$(BIN)/clinalign eval batch efficiency --in-flight 64 --call-seconds 0.5 --parts $(DRAFTS)
	@$(BIN)/clinalign eval batch embedded $(DRAFTS)
	@$(BIN)/clinalign eval batch memory --rows 500 --rows 5000 $(DRAFTS)
	@$(BIN)/clinalign eval batch kill --rows 250 $(DRAFTS)
	@$(BIN)/clinalign eval grading
	@$(BIN)/clinalign eval chat-load
	@$(BIN)/clinalign rubrics review bench
	@$(BIN)/python -m training.synthesis.bench_cli
	@$(BIN)/python -m training.distillation.bench scale
	@$(BIN)/python -m training.alignment.reward_bench
	@$(BIN)/python -m training.alignment.step_bench

screenshots: $(VENV)/.dev ## the pictures of the chat in docs/images, by Debian's chromium
	@$(BIN)/python tests/screenshots.py

clean: ## remove what was built here; the user's index and cache stay
	@rm -rf $(VENV) .venv-vllm .venv-vllm-train .venv-inspect .deepspeed build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A stamp per set of packages: nothing is installed twice, and a change of pyproject.toml installs anew.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing into $(VENV) (once, about two minutes)"
	@$(PIP) -e '.[serve,batch,rubrics]'
	@$(BIN)/python -m compileall -q $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

$(VENV)/.app: $(VENV)/.run
	@$(PIP) -e '.[app,serve,batch,rubrics]'
	@touch $@

$(VENV)/.train: $(VENV)/.run
	@echo "installing what training needs into $(VENV) (once)"
	@$(PIP) -e '.[serve,batch,rubrics,train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "installing the development tools into $(VENV) (once)"
	@$(PIP) -e '.[app,serve,batch,rubrics,train,postgres,ray,dev]'
	@touch $@

.PHONY: help run test test-slow test-vllm test-inspect check fix fit app serve train-smoke bench screenshots clean
