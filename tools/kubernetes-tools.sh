#!/usr/bin/env bash
# Makes a program for the checks of deploy/helm and deploy/kserve, once; prints last where it is.
#   tools/kubernetes-tools.sh helm           renders and checks charts
#   tools/kubernetes-tools.sh helm-unittest  runs the tests in deploy/helm/spikeserve/tests
#   tools/kubernetes-tools.sh kubernetes-validate  a Python that has Kubernetes' schemas
#   tools/kubernetes-tools.sh crds           a folder with the schemas of the kinds that others define
#   tools/kubernetes-tools.sh kube-apiserver the API server of Kubernetes (7 minutes of one core), with etcd beside it
# They are outside the checkout, so that they need not be built again for the next one. Ends with status 3 where this
# machine lacks something for it; the last line of stderr says what.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?which tool?}
declare -A pinned=([helm]=helm.sh/helm/v3/cmd/helm@v3.22.0 [helm-unittest]=github.com/helm-unittest/helm-unittest@v1.1.2
  [kubernetes-validate]=kubernetes-validate==1.37.0 [kube-apiserver]=k8s.io/kubernetes@v1.37.2)
# The kinds that others define, each from its project's own module.
declare -A crds=([sigs.k8s.io/gateway-api@v1.6.3]="config/crd/standard/gateway.networking.k8s.io_{grpcroutes,httproutes,backendtlspolicies}.yaml"
  [github.com/kedacore/keda/v2@v2.21.0]="config/crd/bases/keda.sh_scaledobjects.yaml"
  [github.com/prometheus-operator/prometheus-operator@v0.85.0]="example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml"
  [github.com/cert-manager/cert-manager@v1.21.2]="deploy/crds/cert-manager.io_certificates.yaml")
pinned[crds]=@$(printf '%s\n' "${crds[@]}" "${!crds[@]}" | sha256sum | cut -c1-12)
[ -n "${pinned[$name]:-}" ] || { echo "kubernetes-tools: got $name, wanted ${!pinned[*]}" >&2; exit 2; }
folder=${XDG_CACHE_HOME:-$HOME/.cache}/spikeserve/kubernetes/$name-${pinned[$name]##*[@=]}
log=$folder.log
# What a released helm says too: without it helm takes a cluster that it cannot ask for one of Kubernetes 1.20.
helm_flags=(-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37
  -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37)

lacks() { echo "$name: $*" >&2; exit 3; }
# Runs a command that goes to the network, its output in the log.
fetch() {
  nice -n 10 "$@" >>"$log" 2>&1 || lacks "cannot be made: $(grep -v '^ *$' "$log" | tail -n 1)"
}

need_go() {
  local go_note go_wanted go_fetched
  . tools/go-env.sh
  [ -n "$go" ] || lacks "$go_note"
  export GOMAXPROCS=${GOMAXPROCS:-2} GOFLAGS="-mod=mod -buildvcs=false"
}

# A value of what `go mod download -json` says of a module; nothing where it cannot be fetched.
about_module() {
  { "$go" mod download -json "$1" 2>>"$log" || true; } | tee -a "$log" |
    sed -n "s/^\t\"$2\": \"\(.*\)\",\{0,1\}$/\1/p"
}

# A module of our own in the folder $1, for programs whose module `go install` refuses, as it has replacements.
module() {
  mkdir -p "$1"
  printf 'module spikeserve-tools\n\ngo 1.26.0\n' >"$1/go.mod"
}

make_helm() {
  need_go
  GOBIN=$folder fetch "$go" install -trimpath -ldflags "-s -w ${helm_flags[*]}" "${pinned[helm]}"
}

make_helm_unittest() {
  need_go
  local package=github.com/helm-unittest/helm-unittest/cmd/helm-unittest
  module "$folder/module"
  echo 'replace github.com/vmware-labs/yaml-jsonpath v0.3.2 => github.com/helm-unittest/yaml-jsonpath v0.4.0' >>"$folder/module/go.mod"
  fetch "$go" -C "$folder/module" get "$package@${pinned[$name]##*@}"
  fetch "$go" -C "$folder/module" build -trimpath -ldflags "-s -w ${helm_flags[*]}" -o "$folder/helm-unittest" "$package"
}

# The module of Kubernetes has the parts of it beside itself, and its zip has not; they are modules of the same number.
make_kube_apiserver() {
  need_go
  local version=${pinned[$name]##*@} file parts=v0.${pinned[$name]#*@v1.}
  local set=k8s.io/component-base/version minor
  file=$(about_module "${pinned[$name]}" GoMod)
  [ -f "$file" ] || lacks "cannot be made: ${pinned[$name]} cannot be fetched"
  minor=$(cut -d. -f2 <<<"$version")
  module "$folder/module"
  {
    echo "require ${pinned[$name]/@/ }"
    sed -n "s#^[[:space:]]*\(replace \)\{0,1\}\(k8s.io/[a-z0-9-]*\) => ./staging/.*#replace \2 => \2 $parts#p" "$file"
  } >>"$folder/module/go.mod"
  export CGO_ENABLED=0
  fetch "$go" -C "$folder/module" get k8s.io/kubernetes/cmd/kube-apiserver go.etcd.io/etcd/server/v3
  fetch "$go" -C "$folder/module" build -trimpath -ldflags "-s -w" -o "$folder/etcd" go.etcd.io/etcd/server/v3
  fetch "$go" -C "$folder/module" build -trimpath -o "$folder/kube-apiserver" \
    -ldflags "-s -w -X $set.gitVersion=$version -X $set.gitMajor=1 -X $set.gitMinor=$minor" k8s.io/kubernetes/cmd/kube-apiserver
}

make_crds() {
  need_go
  local module there
  for module in "${!crds[@]}"; do
    there=$(about_module "$module" Dir)
    [ -d "$there" ] || lacks "$module cannot be fetched"
    eval "cp $there/${crds[$module]} '$folder/'"
  done
}

make_kubernetes_validate() {
  python3 -m venv "$folder"
  fetch "$folder/bin/python" -m pip install --disable-pip-version-check --no-compile "${pinned[$name]}" pyyaml
}

case $name in
  kubernetes-validate) program=$folder/bin/python ;;
  crds) program=$folder ;;
  *) program=$folder/$name ;;
esac
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
flock 9  # two checkouts may want it at the same time
if [ ! -f "$folder.complete" ]; then
  rm -rf "$folder" "$log"
  mkdir -p "$folder"
  "make_${name//-/_}" 9>&-
  touch "$folder.complete"
fi
echo "$program"
