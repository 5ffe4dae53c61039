#!/usr/bin/env bash
# Builds and runs the CPU benchmark; results are build/bench*.json.
#   tools/bench.sh             cases, neuron types, server, memory
#   tools/bench.sh quick       its own tests, the small cases and the server, with short times
#   tools/bench.sh batching    the server by default beside fixed batch sizes and delays
#   tools/bench.sh oip         ModelInfer of the Open Inference Protocol beside Simulate
#   tools/bench.sh cache       what --response-cache-mb saves
#   tools/bench.sh peers       PyTorch and the spiking libraries beside spikeserve
#   tools/bench.sh go          the Go client's rate beside that of the C++ load client
#   tools/bench.sh page        write the results into docs/benchmarks.md
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-all}
python=.venv/bin/python
programs=build/release/tests/bench
data=build/bench-data

if [ "$what" = page ]; then
  exec python3 tests/bench/page.py
fi
. tools/cuda-env.sh
"$cmake" --preset release -DSPIKESERVE_CUDA="$cuda" -DSPIKESERVE_BENCH=ON -DSPIKESERVE_TESTS=ON >/dev/null
"$cmake" --build --preset release --target spikeserve-bench spikeserve-bench-neurons spikeserve-bench-paths spikeserve-bench-load spikeserve-server
[ -f "$data/fashion_test.labels" ] || "$python" tests/bench/prepare.py "$data"

case $what in
  all)
    "$programs/spikeserve-bench" --data "$data"
    "$programs/spikeserve-bench-neurons" build/bench-neurons.json
    "$programs/spikeserve-bench-paths"
    "$python" tests/bench/serving.py
    "$python" tests/bench/memory.py
    ;;
  quick)
    "$cmake" --build --preset release --target bench_tests
    "$programs/bench_tests" --gtest_brief=1
    "$programs/spikeserve-bench" --data "$data" --quick --case mlp_784_128
    "$programs/spikeserve-bench-neurons" build/bench-neurons.json
    "$python" tests/bench/serving.py --quick
    ;;
  go)
    tools/go.sh build
    "$python" tests/bench/go_client.py
    ;;
  batching) "$python" tests/bench/batching.py ;;
  oip) PYTHONPATH=tests/support "$python" tests/bench/oip.py ;;
  cache) PYTHONPATH=tests/support "$python" tests/bench/cache.py ;;
  peers)
    venv=build/bench-venv
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    # The spiking libraries one by one: one that does not install is left out.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check torch 'protobuf>=5.29,<7' numpy
    for package in spikingjelly snntorch sinabs; do
      "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$package" ||
        echo "$package could not be installed"
    done
    PYTHONPATH=client/python/src "$venv/bin/python" tests/bench/peers.py
    ;;
  *) echo "tools/bench.sh: got $what, wanted all, quick, batching, oip, cache, go, peers or page" >&2; exit 2 ;;
esac
