# The server in a small image: glibc and libstdc++ for ONNX Runtime, no shell tools
# of ours, no root. Models and the teams' state come along.

FROM node:20-bookworm-slim AS runtime
WORKDIR /src
COPY tools tools
RUN tools/onnxruntime.sh bin/lib/libonnxruntime.so /tmp/cache

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api api
COPY cmd cmd
COPY features features
COPY inference inference
COPY serving serving
RUN go build -trimpath -o bin/footballprediction ./cmd/footballprediction

FROM debian:bookworm-slim
WORKDIR /footballprediction
COPY --from=runtime /src/bin/lib bin/lib
COPY --from=build /src/bin/footballprediction bin/
COPY models/released models/released
USER 65532:65532
# 8000 HTTP, 8001 native gRPC, 8002 operators. All listen on loopback unless told otherwise.
EXPOSE 8000 8001 8002
ENTRYPOINT ["/footballprediction/bin/footballprediction"]
CMD ["serve"]
