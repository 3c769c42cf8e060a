#!/usr/bin/env bash
# Usage: tools/python.sh VENV LOCK CACHE
#
# Makes the virtual environment VENV hold exactly the packages of LOCK, checked
# by hash. uv, which does it, is itself pinned in tools/uv.txt and kept in CACHE.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$1 lock=$2 cache=$3
uv=$cache/uv-$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' tools/uv.txt)
tools/need.sh python3
mkdir -p "$cache"

# install_uv leaves the executable alone in the cache: it needs no Python to run.
install_uv() {
	local scratch
	scratch=$(mktemp -d "$cache/uv.XXXXXX")
	# shellcheck disable=SC2064 # the folder's name is wanted now
	trap "rm -rf '$scratch'" EXIT
	python3 -m venv "$scratch"
	"$scratch/bin/python" -m pip install --quiet --disable-pip-version-check \
		--only-binary :all: --require-hashes -r tools/uv.txt
	mv -f "$scratch/bin/uv" "$uv"
}

# The machine's certificates and its own Python, as pip would use them.
export UV_SYSTEM_CERTS=true UV_PYTHON_DOWNLOADS=never
(
	flock 9 # one at a time, whichever clone it is for
	[ -x "$uv" ] || install_uv
	"$uv" venv --quiet --allow-existing --python "$(python3 -c 'import sys; print(sys.executable)')" "$venv"
	"$uv" pip sync --quiet --require-hashes --python "$venv/bin/python" "$lock"
) 9>"$cache/uv.lock"
