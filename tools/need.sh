#!/usr/bin/env bash
# Usage: tools/need.sh TOOL...
#
# Checks that each tool is there and new enough. Missing Debian packages are
# installed when this runs as root on Debian; otherwise, and for Go, which
# Debian carries too old, the way to get them is named and the exit status is 1.
set -euo pipefail
cd "$(dirname "$0")/.."

# at_least WANT GOT compares dotted version numbers.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# go_wanted prints the oldest Go that the module builds with.
go_wanted() { sed -n 's/^go //p' go.mod; }

# check TOOL succeeds if the tool can do what the build asks of it.
check() {
	case $1 in
	# The go command may switch to the toolchain that go.mod asks for, so it is asked here, in the module.
	go) command -v go && at_least "$(go_wanted)" "$(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')" ;;
	gcc) command -v "${CC:-gcc}" ;;
	node) command -v node && at_least 18 "$(node --version | tr -d v)" ;;
	node20) command -v node && at_least 20.19 "$(node --version | tr -d v)" ;;
	python3) python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' ;;
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

# package TOOL prints the Debian packages that bring the tool.
package() {
	case $1 in
	gcc) echo gcc libc6-dev ;;
	h2load) echo nghttp2-client ;;
	node | node20) echo nodejs ;;
	python3) echo python3 python3-venv ;;
	*) echo "$1" ;;
	esac
}

failed=0
packages=()
for tool; do
	if check "$tool"; then
		continue
	elif [ "$tool" = go ]; then
		echo "Go $(go_wanted) or newer is needed; found: $(go version 2>/dev/null || echo none). See https://go.dev/doc/install" >&2
		failed=1
	else
		read -r -a found <<<"$(package "$tool")"
		packages+=("${found[@]}")
	fi
done

if [ ${#packages[@]} -gt 0 ]; then
	if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
		export DEBIAN_FRONTEND=noninteractive
		apt-get update --quiet
		apt-get install --quiet --yes --no-install-recommends "${packages[@]}"
	else
		echo "These Debian packages are missing. Run: sudo apt-get install ${packages[*]}" >&2
		exit 1
	fi
fi

# What Debian brought may still be too old.
for tool; do
	if [ "$tool" != go ] && ! check "$tool"; then
		echo "$tool is missing or too old: Node 18 (20.19 to build and test the page) and Python 3.11 (with venv) are the oldest that work." >&2
		failed=1
	fi
done
exit $failed
