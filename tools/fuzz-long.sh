#!/usr/bin/env bash
# Every fuzz target for hours, from a corpus that is kept and made small again: tools/fuzz-long.sh [TARGET...]
#   FUZZ_HOURS   for all targets together, 4 by default; fractions too
#   FUZZ_CORPUS  folder that is kept, build/fuzz-corpus by default: TARGET/ has the inputs, TARGET-found/ what broke
set -euo pipefail
cd "$(dirname "$0")/.."
corpus=${FUZZ_CORPUS:-$PWD/build/fuzz-corpus}
hours=${FUZZ_HOURS:-4}
cmake --preset fuzz
cmake --build --preset fuzz
# The commands that the tests run have the folders with the seeds behind the corpus: TARGET BINARY SEEDS...
mapfile -t commands < <(ctest --preset fuzz --show-only=json-v1 | python3 -c '
import json, sys
for test in json.load(sys.stdin)["tests"]:
    command = test["command"]
    folders = [argument for argument in command[1:] if not argument.startswith("-")]
    print(test["name"].removeprefix("fuzz_"), command[0], *folders[1:])')
[ ${#commands[@]} -gt 0 ] || { echo "fuzz-long: no target was found" >&2; exit 2; }
if [ $# -gt 0 ]; then
  wanted=" $* "
  chosen=()
  for line in "${commands[@]}"; do [[ $wanted == *" ${line%% *} "* ]] && chosen+=("$line"); done
  [ ${#chosen[@]} -eq $# ] || { echo "fuzz-long: got $*, wanted targets among: ${commands[*]%% *}" >&2; exit 2; }
  commands=("${chosen[@]}")
fi
seconds=$(python3 -c "import sys; print(max(1, int(float(sys.argv[1]) * 3600 / int(sys.argv[2]))))" "$hours" "${#commands[@]}")
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
broken=()

# Runs a target, then keeps of all its inputs the fewest that reach what they reach together.
fuzz() {
  local target=$1 binary=$2 kept=$corpus/$1 found=$corpus/$1-found
  shift 2
  mkdir -p "$kept" "$found"
  local options=(-timeout=10 -rss_limit_mb=2048 -max_len=32768 "-artifact_prefix=$found/")
  echo "fuzz-long: $target for $seconds s, $(find "$kept" -type f | wc -l) inputs kept so far"
  "$binary" "${options[@]}" "-max_total_time=$seconds" -print_final_stats=1 "$kept" "$@" || broken+=("$target")
  local merged
  merged=$(mktemp -d "$corpus/merge.XXXXXX")
  if "$binary" "${options[@]}" -merge=1 "$merged" "$kept" "$@"; then
    rm -rf "$kept"
    mv "$merged" "$kept"
    echo "fuzz-long: $target keeps $(find "$kept" -type f | wc -l) inputs"
  else
    rm -rf "$merged"  # the corpus stays as it was
    broken+=("$target (merging)")
  fi
}

for line in "${commands[@]}"; do
  read -ra words <<<"$line"
  fuzz "${words[@]}"
done
if [ ${#broken[@]} -gt 0 ]; then
  printf 'fuzz-long: broken: %s\n' "${broken[@]}" "the inputs are in $corpus/TARGET-found" >&2
  exit 1
fi
