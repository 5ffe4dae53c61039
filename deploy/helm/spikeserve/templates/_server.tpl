{{/* A number of values is a float64 here, which prints large ones with an exponent. */}}
{{- define "spikeserve.plain" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end }}

{{/* Flags of a server; takes (dict "root" $ "owner" BOOL). */}}
{{- define "spikeserve.args" -}}
{{- $v := .root.Values -}}
{{- $readOnly := and (include "spikeserve.readOnly" .root) (not .owner) -}}
- --listen=0.0.0.0:8001
- --http-listen=0.0.0.0:8000
- --metrics-listen=0.0.0.0:8002
- --backend={{ ternary "cpu" "cuda" (or .owner (eq $v.gpu.kind "none")) }}
- --network-repository=/var/lib/spikeserve
{{- if has $v.networks.store (list "claim" "bucket") }}
- --repository-poll-seconds={{ $v.networks.pollSeconds }}
{{- if $readOnly }}
- --repository-role=follower
{{- else if .owner }}
- --repository-role=owner
{{- end }}
{{- end }}
- --lame-duck-seconds={{ $v.shutdown.lameDuckSeconds }}
- --drain-seconds={{ $v.shutdown.drainSeconds }}
{{- if $v.tls.enabled }}
- --tls-cert=/etc/spikeserve/tls/tls.crt
- --tls-key=/etc/spikeserve/tls/tls.key
{{- if $v.tls.clients.secret }}
- --tls-client-ca=/etc/spikeserve/clients/ca.crt
{{- end }}
{{- end }}
{{- with $v.auth.tokens }}
- --auth-token-file=/etc/spikeserve/auth/{{ . }}
{{- end }}
{{- with $v.auth.adminTokens }}
- --admin-token-file=/etc/spikeserve/auth/{{ . }}
{{- end }}
{{- with $v.auth.quotas }}
- --quota-file=/etc/spikeserve/auth/{{ . }}
{{- end }}
{{- $flags := deepCopy $v.flags -}}
{{- if and $v.gateway.enabled (not .owner) -}}
{{- /* All clients come from the few addresses of the Gateway, which has to hold the shares itself. */ -}}
{{- $flags = merge $flags (dict "guard" "off" "grpc-connections-per-address" 1024) -}}
{{- end -}}
{{- range $name, $value := $flags }}
- {{ printf "--%s=%s" $name (include "spikeserve.plain" $value) | quote }}
{{- end }}
{{- end }}

{{- define "spikeserve.mounts" -}}
- name: networks
  mountPath: /var/lib/spikeserve
  {{- if and (include "spikeserve.readOnly" .root) (not .owner) }}
  readOnly: true
  {{- end }}
{{- if .root.Values.tls.enabled }}
- name: tls
  mountPath: /etc/spikeserve/tls
  readOnly: true
{{- if .root.Values.tls.clients.secret }}
- name: clients
  mountPath: /etc/spikeserve/clients
  readOnly: true
{{- end }}
{{- end }}
{{- if .root.Values.auth.secret }}
- name: auth
  mountPath: /etc/spikeserve/auth
  readOnly: true
{{- end }}
{{- end }}

{{/* Folders, not single files: those would not be renewed. */}}
{{- define "spikeserve.volumes" -}}
{{- $v := .root.Values -}}
{{- if eq $v.networks.store "claim" }}
- name: networks
  persistentVolumeClaim:
    claimName: {{ include "spikeserve.claim" .root }}
    {{- if and (include "spikeserve.readOnly" .root) (not .owner) }}
    readOnly: true
    {{- end }}
{{- else if ne $v.networks.store "perReplica" }}
- name: networks
  emptyDir:
    sizeLimit: {{ $v.networks.size }}
{{- end }}
{{- if eq $v.networks.store "bucket" }}
- name: rclone
  secret:
    secretName: {{ $v.networks.bucket.configSecret }}
    defaultMode: 0440
{{- end }}
{{- if $v.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "spikeserve.tlsSecret" .root }}
    defaultMode: 0440
{{- with $v.tls.clients.secret }}
- name: clients
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}
{{- with $v.auth.secret }}
- name: auth
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{/* Kubernetes' probes by gRPC have no TLS; the port of metrics says the same as the health service. */}}
{{- define "spikeserve.probe" -}}
{{- if .Values.tls.enabled -}}
httpGet:
  path: /readyz
  port: metrics
{{- else -}}
grpc:
  port: 8001
{{- end -}}
{{- end }}

{{- define "spikeserve.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "spikeserve.claimSpec" -}}
accessModes:
  {{- toYaml .Values.networks.claim.accessModes | nindent 2 }}
{{- with .Values.networks.claim.storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .Values.networks.size }}
{{- end }}
