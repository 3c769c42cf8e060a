#!/usr/bin/env bash
# Usage: tools/perf_analyzer.sh FOLDER LOCK
#
# Lays Triton's perf_analyzer, as LOCK has it, into FOLDER/perf_analyzer. Its only
# build wants a C library of 2.38 or newer. On a Debian that is older, it runs on
# the libraries of Debian 13, which apt fetches and verifies; they are laid beside
# it, and nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1 lock=$2
tools/need.sh python3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

machine=$(uname -m)
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
	--platform "manylinux_2_38_$machine" --require-hashes -r "$lock" -d "$scratch"
python3 -m zipfile -e "$scratch"/perf_analyzer-*.whl "$scratch/wheel"
mkdir -p "$folder"
install -m 755 "$scratch/wheel/perf_analyzer/bin/perf_analyzer" "$folder/perf_analyzer.bin"

# libraries fetches Debian 13's from where this machine's own come.
libraries() {
	local release apt
	release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	sed -n "s/^Suites: $release .*/Suites: trixie/; s/^Suites: $release-security/Suites: trixie-security/; p" \
		/etc/apt/sources.list.d/debian.sources >"$scratch/trixie.sources"
	mkdir -p "$scratch/lists/partial" "$scratch/archives/partial"
	apt=(-qq -o "Dir::Etc::SourceList=$scratch/trixie.sources" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch" -o Dir::State::Status=/dev/null
		-o APT::Sandbox::User=root)
	apt-get "${apt[@]}" update
	(cd "$scratch" && apt-get "${apt[@]}" download libc6 libstdc++6 libgcc-s1 zlib1g libssl3t64 libzstd1)
	for package in "$scratch"/*.deb; do
		dpkg-deb -x "$package" "$scratch/root"
	done
	rm -rf "${folder:?}/lib"
	mkdir -p "$folder/lib"
	find "$scratch/root/usr/lib/$machine-linux-gnu" -maxdepth 1 -name '*.so*' -exec cp -P -t "$folder/lib" {} +
}

if "$folder/perf_analyzer.bin" --version >/dev/null 2>&1; then
	mv -f "$folder/perf_analyzer.bin" "$folder/perf_analyzer"
	exit
fi
libraries
cat >"$folder/perf_analyzer" <<'END'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here"/lib/ld-linux-*.so.* --library-path "$here/lib" "$here/perf_analyzer.bin" "$@"
END
chmod 755 "$folder/perf_analyzer"
"$folder/perf_analyzer" --version >/dev/null
