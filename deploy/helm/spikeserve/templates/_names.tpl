{{- define "spikeserve.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* With room for the longest ending within 63 characters. */}}
{{- define "spikeserve.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "spikeserve.selector" -}}
app.kubernetes.io/name: {{ include "spikeserve.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "spikeserve.labels" -}}
{{ include "spikeserve.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{- define "spikeserve.serviceAccount" -}}
{{- default (include "spikeserve.fullname" .) .Values.serviceAccount.name -}}
{{- end }}

{{/* A checkout has no version of its own: there the images are named by their target alone. */}}
{{- define "spikeserve.image" -}}
{{- $gpu := ne .Values.gpu.kind "none" -}}
{{- $target := ternary "cuda" "cpu" $gpu -}}
{{- $tag := ternary $target (printf "%s-%s" .Chart.AppVersion $target) (eq .Chart.AppVersion "0.0.0") -}}
{{- printf "%s:%s" .Values.image.repository (default $tag .Values.image.tag) -}}
{{- end }}

{{- define "spikeserve.claim" -}}
{{- default (printf "%s-networks" (include "spikeserve.fullname" .)) .Values.networks.claim.existing -}}
{{- end }}

{{- define "spikeserve.tlsSecret" -}}
{{- default (printf "%s-tls" (include "spikeserve.fullname" .)) .Values.tls.secret -}}
{{- end }}

{{- define "spikeserve.gpuResource" -}}
{{- $names := dict "whole" "nvidia.com/gpu" "mig" (printf "nvidia.com/mig-%s" .Values.gpu.profile) "shared" "nvidia.com/gpu.shared" -}}
{{- default (get $names .Values.gpu.kind) .Values.gpu.resource -}}
{{- end }}

{{/* "true" where the servers may not write to their store. */}}
{{- define "spikeserve.readOnly" -}}
{{- $networks := .Values.networks -}}
{{- if or (eq $networks.store "bucket") (and (eq $networks.store "claim") (or .Values.owner.enabled $networks.readOnly)) -}}
true
{{- end -}}
{{- end }}

{{/* "true" where there may be more than one server. */}}
{{- define "spikeserve.several" -}}
{{- if eq .Values.autoscaling.kind "none" -}}
{{- if gt (int .Values.replicas) 1 -}}true{{- end -}}
{{- else if gt (int .Values.autoscaling.maxReplicas) 1 -}}
true
{{- end -}}
{{- end }}

{{/* Bytes of a quantity of memory, such as 4Gi, in the megabytes of flags, which are 1,048,576 bytes; rounded down. */}}
{{- define "spikeserve.megabytes" -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "m" 0.001 -}}
{{- $unit := regexFind "[A-Za-z]*$" (toString .) -}}
{{- $bytes := mulf (float64 (trimSuffix $unit (toString .))) (float64 (get $units $unit)) -}}
{{- floor (divf $bytes 1048576) | int64 -}}
{{- end }}
