#!/usr/bin/env bash
# Usage: tools/imports.sh FOLDER
#
# Lays out in FOLDER the .proto files that ours import and that are not ours, and
# those of the conformance suite, taken from the Go modules that tools/go.mod pins.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9 # two of these may run at once
scratch=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# module PATH prints the folder of a module that tools/go.mod pins.
module() {
	go mod download -modfile=tools/go.mod "$1" &&
		go list -modfile=tools/go.mod -m -f '{{.Dir}}' "$1"
}

google=$(module github.com/grpc-ecosystem/grpc-gateway)/third_party/googleapis
errors=$(module github.com/gogo/googleapis) # the other one is from before ErrorInfo
validate=$(module github.com/bufbuild/protovalidate)/proto/protovalidate
for file in google/api/annotations.proto google/api/http.proto google/rpc/status.proto; do
	install -D -m 644 "$google/$file" "$scratch/$file"
done
install -D -m 644 "$errors/google/rpc/error_details.proto" "$scratch/google/rpc/error_details.proto"
install -D -m 644 "$validate/buf/validate/validate.proto" "$scratch/buf/validate/validate.proto"
suite=$(module connectrpc.com/conformance)/proto
for file in config server_compat service; do
	install -D -m 644 {"$suite","$scratch"}/connectrpc/conformance/v1/$file.proto
done
chmod 755 "$scratch"
rm -rf "$folder"
mv "$scratch" "$folder"
