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
{{- $tag := ternary (printf "%s-cuda" .Chart.AppVersion) .Chart.AppVersion $gpu -}}
{{- if eq .Chart.AppVersion "0.0.0" -}}
{{- $tag = ternary "cuda" "cpu" $gpu -}}
{{- end -}}
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
