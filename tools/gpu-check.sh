#!/usr/bin/env bash
# Proves the CUDA backend on a machine with a GPU, without network: GPU unit tests, bytes equal to the CPU's,
# conformance, compute-sanitizer, leaks, the server, the benchmark. Ends with a table and report.json.
# A run ends after N minutes, 8 if nothing else is said; what is not done by then is done by running it again.
# The part peers, which is not among these, times step loops of PyTorch on the same networks: give it by name.
#   tools/gpu-check.sh [--programs FOLDER_OR_ARCHIVE] [--out FOLDER] [--minutes N] [--fresh] [PART ...]
# Programs come from there or from build/gpu-pack.tar.gz (made elsewhere by tools/gpu-pack.sh), which is unpacked into
# the folder of the results; where there is neither, they are built here, for which the machine needs nvcc 13, CMake
# 3.31, Highway, GoogleTest and nlohmann-json.
# A part that was ok with the same programs on a GPU of the same name is not run again, unless --fresh, and the
# benchmark keeps its rows. All results are in the folder build/gpu-check. To bring them back, and to go on with them
# in another checkout:
#   tools/gpu-check.sh; tar -czf gpu-check.tar.gz --exclude gpu-check/pack -C build gpu-check
#   tar -xzf gpu-check.tar.gz -C build; tools/gpu-check.sh
# initcheck runs what needs cuBLAS only with compute-sanitizer 2025.4 or newer, which sees all that cuBLAS stores.
# Exits 0 if every part is ok, 1 if one is not, 2 for wrong arguments. Leaves the settings of the GPU alone.
set -uo pipefail
cd "$(dirname "$0")/.."

all_parts=(build device unit parity conformance memcheck racecheck synccheck initcheck leaks server bench)
out=build/gpu-check sanitizer="" programs="" minutes=8 fresh=no parts=()
while [ $# -gt 0 ]; do
  case $1 in
    --programs) programs=$2; shift ;;
    --out) out=$2; shift ;;
    --minutes) minutes=$2; shift ;;
    --fresh) fresh=yes ;;
    --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    -*) echo "gpu-check: unknown option $1" >&2; exit 2 ;;
    *) [[ " ${all_parts[*]} peers " == *" $1 "* ]] || { echo "gpu-check: no part '$1'; parts: ${all_parts[*]} peers" >&2; exit 2; }
      parts+=("$1") ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || parts=("${all_parts[@]}")
mkdir -p "$out"
out=$(realpath "$out")
started=$SECONDS

# ---- Results: $out/PART.result holds status, seconds and a note.

record() { printf '%s\t%s\t%s\n' "$2" "$3" "$4" >"$out/$1.result"; }
field() { cut -f"$2" "$out/$1.result" 2>/dev/null; }
say() { printf '%-12s %-8s %5s s  %s\n' "$1" "$(field "$1" 1)" "$(field "$1" 2)" "$(field "$1" 3)"; }

# Runs `do_PART` for at most $2 seconds with its output in $out/PART.log. It leaves its note in $out/PART.note.
run_part() {
  local name=$1 limit=$2 left=$((minutes * 60 - (SECONDS - started))) begin=$SECONDS deadline rc said
  if [ "$(field "$name" 1)" = ok ]; then
    return
  fi
  [ "$left" -ge "$limit" ] || limit=$left
  if [ "$limit" -lt 5 ]; then
    record "$name" "not run" 0 "no time left; run again to go on"
    return
  fi
  rm -f "$out/$name.note"
  deadline=$((SECONDS + limit))
  "do_$name" >"$out/$name.log" 2>&1
  rc=$?
  said=$(cat "$out/$name.note" 2>/dev/null)
  if [ $rc -eq 0 ]; then
    record "$name" ok $((SECONDS - begin)) "$said"
  elif [ $rc -eq 124 ] || [ $rc -eq 137 ]; then
    record "$name" failed $((SECONDS - begin)) "stopped after $limit s${said:+: $said}; see $name.log"
  else
    record "$name" failed $((SECONDS - begin)) "${said:-status $rc}; see $name.log"
  fi
}

note() { echo "$2" >"$out/$1.note"; }
# For what is left of the time of the part.
limited() { timeout --kill-after=5 $((deadline > SECONDS ? deadline - SECONDS : 1)) "$@"; }
# Whether version $1 is at least $2.
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# ---- Where things are.

# Puts $out/pack in place of the archive.
unpack_programs() {
  rm -rf "$out/pack"
  mkdir -p "$out/pack"
  if ! tar -xzf "$programs" -C "$out/pack" || [ ! -d "$out/pack/bin" ]; then
    echo "gpu-check: $programs is no archive of tools/gpu-pack.sh" >&2
    return 1
  fi
  programs=$out/pack
}

find_programs() {
  if [ -z "$programs" ] && [ -f build/gpu-pack.tar.gz ]; then
    programs=build/gpu-pack.tar.gz
  fi
  if [ -f "$programs" ]; then
    unpack_programs || exit 1
  fi
  if [ -n "$programs" ]; then
    programs=$(realpath "$programs")
    bin=$programs/bin
    cuda_tests=$bin/cuda_tests parity_tests=$bin/cuda_parity_tests conformance_tests=$bin/conformance_tests
    gpu_bench=$bin/gpu_bench server=$bin/spikeserve-server
  else
    bin=$PWD/build/gpu-check-build
    cuda_tests=$bin/tests/unit/cuda/cuda_tests parity_tests=$bin/tests/parity/cuda_parity_tests
    conformance_tests=$bin/tests/conformance/conformance_tests gpu_bench=$bin/tests/bench/gpu/gpu_bench
    server=$bin/server/app/spikeserve-server
  fi
  export SPIKESERVE_TEST_DATA=$PWD/tests/data
}

# The folder of cuBLAS 13: of a toolkit, or of the wheels that PyTorch comes with.
find_cublas() {
  local folder
  for folder in build/cuda-toolkit/toolkit/lib "${CUDA_HOME:-/usr/local/cuda}"/{lib64,targets/x86_64-linux/lib} \
    /usr/local/cuda-13*/lib64 $(python3 -c 'import sys; print(*(f"{p}/nvidia/{n}/lib" for p in sys.path if p
      for n in ("cu13", "cublas")), sep="\n")' 2>/dev/null); do
    if [ -e "$folder/libcublas.so.13" ]; then
      realpath "$folder"
      return
    fi
  done
}

set_library_path() {
  local path=${LD_LIBRARY_PATH:-} cublas
  cublas=$(find_cublas)
  [ -z "$cublas" ] || path=$cublas${path:+:$path}
  [ -z "$programs" ] || path=$programs/lib${path:+:$path}
  export LD_LIBRARY_PATH=$path
}

name_gpu() { nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1; }

# Forgets results of other programs than these, or of another GPU.
check_fingerprint() {
  local now
  now=$(cat "$cuda_tests" "$parity_tests" "$conformance_tests" "$gpu_bench" "$server" 2>/dev/null | sha256sum | cut -c1-16)
  now="$now $(name_gpu)"
  if [ "$fresh" = yes ] || [ "$(cat "$out/programs" 2>/dev/null)" != "$now" ]; then
    find "$out" -maxdepth 1 -name '*.result' ! -name build.result -delete
    rm -f "$out/bench.json" "$out/peers.json"
  fi
  echo "$now" >"$out/programs"
}

# ---- The parts.

do_build() {
  if [ -n "$programs" ]; then
    note build "carried: $programs"
    return 0
  fi
  . tools/cuda-env.sh
  if [ "$cuda" = OFF ]; then
    note build "$cuda_note"
    return 1
  fi
  "$cmake" -S . -B "$bin" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSPIKESERVE_CUDA=ON -DSPIKESERVE_SERVER=OFF &&
    limited "$cmake" --build "$bin" --target cuda_tests cuda_parity_tests conformance_tests gpu_bench &&
    note build "built with $cuda_note"
}

# What the tests say when they skip is why there is no GPU.
do_device() {
  local text
  text=$(limited "$cuda_tests" --gtest_filter='On/Device.ReplaysWhatItCaptured/Gpu' 2>&1)
  echo "$text"
  if grep -q '\[  PASSED  \] 1 test' <<<"$text" && ! grep -q SKIPPED <<<"$text"; then
    note device "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1)"
    return 0
  fi
  text=$(why_skipped <<<"$text")
  note device "no GPU that works${text:+: $text}"
  return 1
}

# What the first test that skips says.
why_skipped() { grep -m 1 -A1 ': Skipped' | tail -n 1; }

# Runs tests of one program; a test that skips is a test that did not run.
run_tests() {
  local name=$1 filter=$2
  shift 2
  limited "$@" --gtest_brief=0 --gtest_filter="$filter"
  judge_tests "$name" $?
}

# The same in several processes at a time.
run_tests_apart() {
  local name=$1 filter=$2 program=$3 shards i rc=0 pids=()
  shards=$(nproc)
  shards=$((shards > 8 ? 8 : shards))
  for i in $(seq 0 $((shards - 1))); do
    GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$i limited "$program" --gtest_brief=0 --gtest_filter="$filter" \
      >"$out/$name.$i.log" 2>&1 &
    pids+=($!)
  done
  for i in "${!pids[@]}"; do
    wait "${pids[$i]}" || rc=$?
    cat "$out/$name.$i.log"
    rm "$out/$name.$i.log"
  done
  judge_tests "$name" $rc
}

# Leaves a note, by what is in the log so far and the status $2 that the tests ended with.
judge_tests() {
  local name=$1 rc=$2 count skipped
  [ "$rc" -eq 0 ] || return "$rc"
  count=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$out/$name.log" | awk '{sum += $1} END {print sum + 0}')
  note "$name" "$count tests passed"
  skipped=$(grep -c '^\[  SKIPPED \].*ms)' "$out/$name.log")
  if [ "$skipped" -gt 0 ]; then
    note "$name" "$count tests passed, $skipped skipped: $(why_skipped <"$out/$name.log")"
    [ "$name" = conformance ] || return 1 # there, networks that the engine has no operations for
  fi
  [ "$count" -gt 0 ]
}

small='On/*/Gpu:-On/Device.NetworksComeAndGo/Gpu:On/Device.HoldsWhatItAccountsFor/Gpu:On/Device.RefusesMoreThanItHas/Gpu'
# Of these, what runs no cuBLAS but for the product that every device is tried with.
small_own="$small:On/DigitProduct.*:On/MemoryLayer.*:On/MemoryProducts.ColumnsOfBytes*:On/Products.ColumnsOfDigits*:On/SelfTest.*"
small_parity='Gpu/*/Gpu1:Gpu/*/Gpu2:Gpu/*/Gpu3:Gpu/*/Gpu61:-Gpu/CudaMemory.Images*/Gpu2:Gpu/CudaMemory.Images*/Gpu3'

do_unit() { run_tests unit 'On/*/Gpu:IgnoreCuda.*:-On/Device.NetworksComeAndGo/Gpu' "$cuda_tests"; }
do_parity() { run_tests_apart parity 'Gpu/*:On/*/Gpu' "$parity_tests"; }
do_conformance() { SPIKESERVE_TEST_BACKEND=cuda run_tests conformance '*_exact' "$conformance_tests"; }
do_leaks() { run_tests leaks 'On/Device.NetworksComeAndGo/Gpu:On/Device.HoldsWhatItAccountsFor/Gpu' "$cuda_tests"; }

# Runs the tests of filter $2 and parity tests of filter $3, if any, under tool $1 with the options that follow.
sanitize() {
  local tool=$1 own=$2 parity=$3 rc said
  shift 3
  if [ -z "$sanitizer" ]; then
    note "$tool" "there is no compute-sanitizer on this machine"
    return 1
  fi
  local with=("$sanitizer" --tool "$tool" --error-exitcode 9 "$@")
  run_tests "$tool" "$own" "${with[@]}" "$cuda_tests" &&
    { [ -z "$parity" ] || run_tests "$tool" "$parity" "${with[@]}" "$parity_tests"; }
  rc=$?
  if [ $rc -ne 0 ] && said=$(sanitizer_says "$out/$tool.log") && [ -n "$said" ]; then
    note "$tool" "$said"
  fi
  return $rc
}
# Its first line behind the banner: what it found, or why it does not work on this machine.
sanitizer_says() {
  awk '/^=========/ {sub(/^=+ */, ""); if ($0 != "" && !/COMPUTE-SANITIZER|SUMMARY/) {print; exit}}' "$1"
}
find_sanitizer() { command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1; }

# Names of our kernels: racecheck and synccheck are known to take what cuBLAS does for errors.
ours=(--kernel-name kns=spikeserve)

do_memcheck() { sanitize memcheck "$small" "$small_parity" --report-api-errors no; }
do_racecheck() { sanitize racecheck "$small" "$small_parity" "${ours[@]}"; }
do_synccheck() { sanitize synccheck "$small" "$small_parity" "${ours[@]}"; }
do_initcheck() {
  local version
  version=$("$sanitizer" --version 2>/dev/null | sed -n 's/^Version \([0-9.]*\).*/\1/p')
  if at_least "${version:-0}" 2025.4; then
    sanitize initcheck "$small" "$small_parity"
    return
  fi
  sanitize initcheck "$small_own" "" || return
  note initcheck "$(cat "$out/initcheck.note"), none with cuBLAS: compute-sanitizer is ${version:-unknown}, not 2025.4"
}

# Starts with --backend cuda, is ready, stops.
do_server() {
  local pid rc address=""
  if [ ! -x "$server" ]; then
    note server "not among these programs"
    return 1
  fi
  "$server" --backend cuda --listen 127.0.0.1:0 --metrics-listen none --http-listen none >"$out/server.stdout" 2>"$out/server.stderr" &
  pid=$!
  for _ in $(seq 100); do
    address=$(sed -n 's/^listening on //p' "$out/server.stdout")
    [ -z "$address" ] && kill -0 $pid 2>/dev/null || break
    sleep 0.2
  done
  [ -n "$address" ] && limited "$server" --healthcheck "$address"
  rc=$?
  kill $pid 2>/dev/null
  wait $pid || rc=$?
  cat "$out/server.stdout" "$out/server.stderr"
  note server "$(if [ $rc -eq 0 ]; then echo "listened, was ready, stopped"; else tail -n 1 "$out/server.stderr"; fi)"
  return $rc
}

do_bench() { measure bench "$gpu_bench"; }
do_peers() { measure peers python3 tests/bench/gpu/pytorch_peers.py; }

# Runs what writes its rows to $out/PART.json, as many as it comes to.
measure() {
  local name=$1 rc
  shift
  limited "$@" --json "$out/$name.json"
  rc=$?
  note "$name" "$(grep -o '"case"' "$out/$name.json" 2>/dev/null | wc -l) rows in $name.json"
  return $rc
}

# ---- All of it.

wanted() { [[ " ${parts[*]} " == *" $1 "* ]]; }

run_all() {
  local part
  wanted build && { [ "$fresh" = no ] && [ -n "$programs" ] || rm -f "$out/build.result"; run_part build 420; }
  if wanted build && [ "$(field build 1)" != ok ]; then
    skip_rest "the programs were not built"
    return
  fi
  set_library_path
  check_fingerprint
  rm -f "$out/device.result"
  run_part device 60
  if [ "$(field device 1)" != ok ]; then
    skip_rest "no GPU"
    return
  fi
  wanted unit && run_part unit 120
  wanted parity && run_part parity 240
  wanted conformance && run_part conformance 120
  sanitizer=$(find_sanitizer)
  for part in memcheck racecheck synccheck initcheck; do # side by side: they wait for the GPU most of the time
    wanted $part && run_part $part 240 &
  done
  wait
  wanted leaks && run_part leaks 60
  wanted server && run_part server 30
  wanted bench && run_part bench 240
  wanted peers && run_part peers 480
}

skip_rest() {
  local part
  for part in "${parts[@]}"; do
    [ "$part" = build ] || [ "$part" = device ] || record "$part" "not run" 0 "$1"
  done
}

escape() { sed 's/\\/\\\\/g; s/"/\\"/g' <<<"$1"; }

write_report() {
  local part comma=""
  {
    printf '{"date": "%s", "commit": "%s", "device": "%s",\n "parts": [' "$(date -u +%FT%TZ)" \
      "$(git rev-parse --short HEAD 2>/dev/null)" "$(escape "$(field device 3)")"
    for part in "${all_parts[@]}" peers; do
      [ -f "$out/$part.result" ] || continue
      printf '%s\n  {"part": "%s", "status": "%s", "seconds": %s, "note": "%s"}' "$comma" "$part" \
        "$(field "$part" 1)" "$(field "$part" 2)" "$(escape "$(field "$part" 3)")"
      comma=","
    done
    printf ']'
    for part in bench peers; do
      printf ',\n "%s": ' $part
      if [ -s "$out/$part.json" ]; then cat "$out/$part.json"; else printf 'null'; fi
    done
    printf '}\n'
  } >"$out/report.json"
}

find_programs
run_all
echo
status=0
for part in "${all_parts[@]}" peers; do
  wanted "$part" || [ "$part" = device ] || continue
  [ -f "$out/$part.result" ] || continue
  say "$part"
  [ "$(field "$part" 1)" = ok ] || status=1
done
write_report
echo "gpu-check: $([ $status -eq 0 ] && echo ok || echo "NOT ok") after $((SECONDS - started)) s; $out/report.json"
exit $status
