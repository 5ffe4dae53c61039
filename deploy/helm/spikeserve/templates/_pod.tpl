{{/* metadata and spec of a pod; takes (dict "root" $ "owner" BOOL). */}}
{{- define "spikeserve.pod" -}}
{{- $v := .root.Values -}}
{{- $gpu := and (ne $v.gpu.kind "none") (not .owner) -}}
metadata:
  labels:
    {{- include "spikeserve.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ ternary "owner" "server" .owner }}
    {{- with $v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: server
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "spikeserve.serviceAccount" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $v.shutdown.preStopSeconds $v.shutdown.lameDuckSeconds $v.shutdown.drainSeconds 5 }}
  securityContext:
    runAsNonRoot: true
    {{- with int $v.runAsUser }}
    runAsUser: {{ . }}
    runAsGroup: {{ . }}
    fsGroup: {{ . }}
    fsGroupChangePolicy: OnRootMismatch
    {{- end }}
    seccompProfile:
      type: RuntimeDefault
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if and $gpu $v.gpu.runtimeClassName }}
  runtimeClassName: {{ $v.gpu.runtimeClassName }}
  {{- end }}
  {{- if and (eq $v.networks.store "bucket") (not .owner) }}
  initContainers:
    {{- include "spikeserve.sync" .root | nindent 4 }}
  {{- end }}
  containers:
    - name: server
      {{- include "spikeserve.container" . | nindent 6 }}
  volumes:
    {{- include "spikeserve.volumes" . | trim | nindent 4 }}
  {{- with ternary $v.owner.nodeSelector $v.nodeSelector .owner }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and $v.affinity (not .owner) }}
  affinity:
    {{- toYaml $v.affinity | nindent 4 }}
  {{- end }}
  {{- $gpus := list (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule") }}
  {{- with concat $v.tolerations (ternary $gpus list $gpu) }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and $v.topologySpread (not .owner) }}
  topologySpreadConstraints:
    {{- $selector := dict "matchLabels" (merge (dict "app.kubernetes.io/component" "server") (include "spikeserve.selector" .root | fromYaml)) }}
    {{- range $v.topologySpread }}
    - {{- toYaml (merge (dict "labelSelector" $selector) .) | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "spikeserve.container" -}}
{{- $v := .root.Values -}}
image: {{ ternary (include "spikeserve.image" (dict "Values" (merge (dict "gpu" (dict "kind" "none")) $v) "Chart" .root.Chart)) (include "spikeserve.image" .root) .owner }}
imagePullPolicy: {{ $v.image.pullPolicy }}
args:
  {{- include "spikeserve.args" . | nindent 2 }}
env:
  {{- /* Where there is no CPU limit, it is what the node has. A flag wins over the variable. */}}
  - name: SPIKESERVE_THREADS
    valueFrom:
      resourceFieldRef:
        containerName: server
        resource: limits.cpu
        divisor: "1"
  {{- with $v.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: grpc
    containerPort: 8001
  - name: http
    containerPort: 8000
  - name: metrics
    containerPort: 8002
{{- if $v.shutdown.preStopSeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ $v.shutdown.preStopSeconds }}
{{- end }}
startupProbe:
  {{- include "spikeserve.probe" .root | nindent 2 }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: {{ div (add $v.probes.startupSeconds 1) 2 }}
readinessProbe:
  {{- include "spikeserve.probe" .root | nindent 2 }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  {{- include "spikeserve.probe" .root | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ div (add $v.probes.livenessSeconds 9) 10 }}
{{- $resources := deepCopy (ternary $v.owner.resources $v.resources .owner) }}
{{- if and (ne $v.gpu.kind "none") (not .owner) }}
{{- $resources = merge $resources (dict "limits" (dict (include "spikeserve.gpuResource" .root) $v.gpu.count)) }}
{{- end }}
resources:
  {{- toYaml $resources | nindent 2 }}
securityContext:
  {{- include "spikeserve.containerSecurity" . | nindent 2 }}
volumeMounts:
  {{- include "spikeserve.mounts" . | nindent 2 }}
{{- end }}
