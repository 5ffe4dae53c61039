{{/* One container syncs before the server starts, one beside it. */}}
{{- define "spikeserve.sync" -}}
- name: first-sync
  {{- include "spikeserve.rclone" (dict "root" . "script" "exec rclone sync \"$REMOTE\" /networks") | nindent 2 }}
- name: sync
  restartPolicy: Always
  {{- include "spikeserve.rclone" (dict "root" . "script" "trap 'exit 0' TERM\nwhile true; do\n  sleep \"$SECONDS_BETWEEN\" & wait $!\n  rclone sync \"$REMOTE\" /networks || echo \"sync: status $?, trying again\" >&2\ndone") | nindent 2 }}
{{- end }}

{{- define "spikeserve.rclone" -}}
{{- $bucket := .root.Values.networks.bucket -}}
image: {{ $bucket.image }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [/bin/sh, -c]
args:
  - |-
    {{- .script | nindent 4 }}
env:
  - name: REMOTE
    value: {{ $bucket.remote | quote }}
  - name: SECONDS_BETWEEN
    value: {{ $bucket.syncSeconds | quote }}
  - name: RCLONE_CONFIG
    value: /etc/rclone/rclone.conf
  - name: RCLONE_CACHE_DIR
    value: /networks/.rclone
  {{- /* Neither the cache nor anything else that begins with a dot is a network. */}}
  - name: RCLONE_EXCLUDE
    value: ".*{,/**}"
resources:
  {{- toYaml $bucket.resources | nindent 2 }}
securityContext:
  {{- include "spikeserve.containerSecurity" .root | nindent 2 }}
volumeMounts:
  - name: networks
    mountPath: /networks
  - name: rclone
    mountPath: /etc/rclone
    readOnly: true
{{- end }}
