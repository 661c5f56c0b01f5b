#!/usr/bin/env bash
# Installs what tests/postgres_server.py starts, unless it is there. Needs root, and Debian's packages.
set -euo pipefail
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null && exit 0
if [ "$(id -u)" != 0 ]; then
  echo "PostgreSQL is not installed; run as root: apt-get install postgresql" >&2
  exit 1
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends postgresql
