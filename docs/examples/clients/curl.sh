#!/usr/bin/env bash
# Loads a model and classifies 64 images with curl, by the Open Inference Protocol over HTTP. Needs jq.
#   bash curl.sh ADDRESS MODEL FILE.spk IMAGES-idx3-ubyte.gz
set -euo pipefail
address=$1 model=$2 spk=$3 images=$4

# POSTs standard input to a path.
post() {
  curl --silent --show-error --fail-with-body --max-time 60 -H "spikeserve-network: $model" \
    ${SPIKESERVE_TOKEN:+-H "Authorization: Bearer $SPIKESERVE_TOKEN"} --data-binary @- "http://$address$1" "${@:2}"
}
json='Content-Type: application/json'

echo "{\"parameters\": {\"file:1/network.spk\": \"$(base64 -w0 "$spk")\"}}" |
  post "/v2/repository/models/$model/load" -H "$json" | jq -r '"loaded: \(.model_name)"'
name=$(curl --silent --fail ${SPIKESERVE_TOKEN:+-H "Authorization: Bearer $SPIKESERVE_TOKEN"} \
  "http://$address/v2/models/$model" | jq -r '.inputs[0].name')

# The bytes of the tensor follow the JSON, whose length a header tells.
request='{"inputs": [{"name": "'$name'", "datatype": "UINT8", "shape": [64, 28, 28],
  "parameters": {"binary_data_size": '$((64 * 28 * 28))'}}],
  "outputs": [{"name": "classes"}], "parameters": {"steps": 16}}'
{ printf '%s' "$request" && gzip -dc "$images" | tail -c +17 | head -c $((64 * 28 * 28)) || true; } |
  post "/v2/models/$model/infer" -H "Inference-Header-Content-Length: ${#request}" \
    -H 'Content-Type: application/octet-stream' | jq -r '"classes: " + (.outputs[0].data | map(tostring) | join(" "))'
