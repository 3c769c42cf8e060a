#!/usr/bin/env bash
# Usage: tools/onnxruntime.sh FILE CACHE
#
# Puts the pinned ONNX Runtime library at FILE. It comes out of the npm package
# onnxruntime-node, whose own install script is not run (it downloads elsewhere),
# and is kept in the folder CACHE, so that a second clone downloads nothing.
# Package and library are checked against the hashes below; any number of these
# may run at once.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.27.0
integrity=QEzGwrvNBgv4uPVdnbHsOGG4G6T96mdlcFI8aAKPjMU8wOPpVocPXb6k3QGkaZagVTv2G9Bnnbo6Z3JdXr1fQw== # sha512, base64
case $(uname -sm) in
'Linux x86_64')
	platform=linux/x64
	library_sha256=d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221
	;;
'Linux aarch64')
	platform=linux/arm64
	library_sha256=c36bc200e7e6c093b8abb0b34590fbdd8c52fd3fb5e33795b9523ffdde2fce0f
	;;
*)
	echo "ONNX Runtime is pinned for Linux on x86-64 and arm64, not for $(uname -sm)." >&2
	exit 1
	;;
esac

file=$1
kept=$2/onnxruntime-$version-${platform/\//-}/libonnxruntime.so

# intact FILE succeeds if it is the pinned library.
intact() { [ -f "$1" ] && sha256sum --check --status <<<"$library_sha256  $1"; }

# download fills the cache, through a scratch folder of its own.
download() {
	tools/need.sh node npm
	local scratch
	scratch=$(mktemp -d "$2/onnxruntime.XXXXXX")
	# shellcheck disable=SC2064 # the folder's name is wanted now
	trap "rm -rf '$scratch'" EXIT
	echo "Downloading onnxruntime-node $version (100 MB, once) ..." >&2
	npm pack --silent --ignore-scripts --pack-destination "$scratch" "onnxruntime-node@$version" >&2
	local package=$scratch/onnxruntime-node-$version.tgz got
	got=$(sha512sum "$package" | cut -d' ' -f1)
	if [ "$got" != "$(base64 -d <<<"$integrity" | od -An -v -tx1 | tr -d ' \n')" ]; then
		echo "onnxruntime-node $version: expected sha512 $integrity (base64), got $got (hex)" >&2
		exit 1
	fi
	tar -xzf "$package" -C "$scratch" "package/bin/napi-v6/$platform/libonnxruntime.so.1"
	local library=$scratch/package/bin/napi-v6/$platform/libonnxruntime.so.1
	if ! intact "$library"; then
		echo "libonnxruntime.so: expected sha256 $library_sha256, got $(sha256sum "$library" | cut -d' ' -f1)" >&2
		exit 1
	fi
	mkdir -p "$(dirname "$1")"
	chmod 644 "$library"
	mv -f "$library" "$1"
}

if ! intact "$file"; then
	mkdir -p "$2" "$(dirname "$file")"
	(
		flock 9 # one download at a time; who waited finds the library in the cache
		intact "$kept" || download "$kept" "$2"
	) 9>"$2/onnxruntime.lock"
	copy=$(mktemp "$file.XXXXXX")
	trap 'rm -f "$copy"' EXIT
	cp "$kept" "$copy"
	chmod 644 "$copy"
	mv -f "$copy" "$file"
fi
touch "$file"
