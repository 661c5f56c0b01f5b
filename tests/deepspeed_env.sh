#!/usr/bin/env bash
# Put DeepSpeed and what it needs into .deepspeed, apart from .venv: where it can be imported, transformers and accelerate import
# it everywhere, seconds each time. Does nothing when it is there already. Pure Python here: its kernels are for GPUs.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=.deepspeed
wanted="$(cksum <"$0")"  # a change of this file installs anew
if [ "$(cat "$folder/.made-by" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
echo "installing DeepSpeed into $folder (once)"
rm -rf "$folder"
.venv/bin/pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --target "$folder" \
  deepspeed==0.19.8 einops==0.8.2 hjson==3.1.0 msgpack==1.2.4 ninja==1.13.2 py-cpuinfo==9.0.0
echo '*' >"$folder/.gitignore"
echo "$wanted" >"$folder/.made-by"
