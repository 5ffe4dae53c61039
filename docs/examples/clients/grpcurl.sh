#!/usr/bin/env bash
# Loads a network, classifies 64 images and follows a run with grpcurl, by both protocols. Needs jq.
#   bash grpcurl.sh ADDRESS NETWORK FILE.spk IMAGES-idx3-ubyte.gz
set -euo pipefail
address=$1 network=$2 spk=$3 images=$4

# Sends standard input to a method. By reflection, grpcurl writes fields of answers as the protos do: steps_done.
call() {
  grpcurl -plaintext -max-time 60 -max-msg-sz $((72 << 20)) -H "spikeserve-network: $network" \
    ${SPIKESERVE_TOKEN:+-H "authorization: Bearer $SPIKESERVE_TOKEN"} -d @ "$address" "$1"
}

sha256=$(openssl dgst -sha256 -binary "$spk" | base64 -w0)
{
  echo "{\"header\": {\"name\": \"$network\", \"total_bytes\": $(stat -c %s "$spk"), \"sha256\": \"$sha256\"}}"
  echo "{\"chunk\": \"$(base64 -w0 "$spk")\"}"
} | call spikeserve.v1.NetworkService/LoadNetwork | jq -r '"loaded: \(.network.name) version \(.network.version)"'

data=$(gzip -dc "$images" | tail -c +17 | head -c $((64 * 28 * 28)) | base64 -w0 || true)
input="{\"data_type\": \"DATA_TYPE_UINT8\", \"shape\": [64, 28, 28], \"data\": \"$data\"}"
request="{\"network\": \"$network\", \"steps\": 16, \"inputs\": [$input]}"
call spikeserve.v1.SimulationService/Simulate <<<"$request" |
  jq -r '"classes: " + (.classification.classes | join(" "))'
call spikeserve.v1.SimulationService/SimulateStream <<<"{\"request\": $request, \"report_every\": 4}" |
  jq -r '(if .progress then "step \(.progress.steps_done): " else "result: " end)
    + ((.progress // .result).classification.classes | join(" "))'

name=$(call inference.GRPCInferenceService/ModelMetadata <<<"{\"name\": \"$network\"}" | jq -r '.inputs[0].name')
tensor="{\"name\": \"$name\", \"datatype\": \"UINT8\", \"shape\": [64, 28, 28]}"
infer="\"model_name\": \"$network\", \"inputs\": [$tensor], \"outputs\": [{\"name\": \"classes\"}]"
call inference.GRPCInferenceService/ModelInfer \
  <<<"{$infer, \"parameters\": {\"steps\": {\"int64_param\": 16}}, \"raw_input_contents\": [\"$data\"]}" |
  jq -r '.raw_output_contents[0]' | base64 -d | od -An -v -w512 -t d8 | sed -E 's/^ */classes: /; s/ +/ /g'
