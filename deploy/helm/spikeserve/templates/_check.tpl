{{/* What the schema cannot say: values that contradict each other. All of them are told at once. */}}
{{- define "spikeserve.check" -}}
{{- $v := .Values -}}
{{- $wrong := list -}}
{{- $own := list "backend" "listen" "metrics-listen" "http-listen" "network-repository" "repository-poll-seconds" "repository-role" "lame-duck-seconds" "drain-seconds" "healthcheck" "tls-cert" "tls-key" "tls-client-ca" "auth-token-file" "admin-token-file" "quota-file" -}}
{{- range $name, $_ := $v.flags -}}
{{- if has $name $own -}}
{{- $wrong = append $wrong (printf "flags: %s is set by the chart, from other values" $name) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.networks.store "perReplica") (ne $v.workload "StatefulSet") -}}
{{- $wrong = append $wrong (printf "networks.store: perReplica needs workload: StatefulSet, got %s" $v.workload) -}}
{{- end -}}
{{- if and (eq $v.networks.store "claim") (include "spikeserve.several" .) (not (include "spikeserve.readOnly" .)) -}}
{{- $wrong = append $wrong "networks.store: claim with several servers needs owner.enabled, one server that loads, or networks.readOnly" -}}
{{- end -}}
{{- if and $v.owner.enabled (ne $v.networks.store "claim") -}}
{{- $wrong = append $wrong (printf "owner.enabled: needs networks.store: claim, got %s" $v.networks.store) -}}
{{- end -}}
{{- if and $v.owner.enabled $v.networks.readOnly -}}
{{- $wrong = append $wrong "owner.enabled: an owner writes, but networks.readOnly is set" -}}
{{- end -}}
{{- if and $v.networks.readOnly (ne $v.networks.store "claim") -}}
{{- $wrong = append $wrong (printf "networks.readOnly: is for networks.store: claim, got %s" $v.networks.store) -}}
{{- end -}}
{{- if and (eq $v.networks.store "bucket") (not (and $v.networks.bucket.remote $v.networks.bucket.configSecret)) -}}
{{- $wrong = append $wrong "networks.bucket: remote and configSecret are needed for networks.store: bucket" -}}
{{- end -}}
{{- if and (eq $v.gpu.kind "mig") (not $v.gpu.profile) (not $v.gpu.resource) -}}
{{- $wrong = append $wrong "gpu.profile: is needed for gpu.kind: mig, such as 1g.10gb" -}}
{{- end -}}
{{- if and (eq $v.gpu.kind "shared") (not (get $v.flags "memory-budget-mb")) -}}
{{- $wrong = append $wrong "flags: memory-budget-mb is needed for gpu.kind: shared, as nothing else keeps the servers of one GPU from taking each other's memory" -}}
{{- end -}}
{{- $servers := dict "resources" $v.resources -}}
{{- if $v.owner.enabled -}}
{{- $_ := set $servers "owner.resources" $v.owner.resources -}}
{{- end -}}
{{- $budget := int64 (get $v.flags "memory-budget-mb") -}}
{{- range $name, $resources := $servers -}}
{{- $limit := get (default dict $resources.limits) "memory" -}}
{{- if and $limit (ge $budget (include "spikeserve.megabytes" $limit | int64)) -}}
{{- $wrong = append $wrong (printf "flags: memory-budget-mb has to be less than %s.limits.memory, got %d and %v: the server would be killed before its budget is full" $name $budget $limit) -}}
{{- end -}}
{{- end -}}
{{- if and (get $v.flags "pin") (ne (get $v.flags "load-networks") "on-demand") -}}
{{- $wrong = append $wrong "flags: pin needs load-networks: on-demand, as otherwise all networks stay in memory" -}}
{{- end -}}
{{- if and (hasKey $v.flags "load-wait-seconds") (ne (get $v.flags "load-networks") "on-demand") -}}
{{- $wrong = append $wrong "flags: load-wait-seconds needs load-networks: on-demand, as otherwise no request waits for a load" -}}
{{- end -}}
{{- if and $v.auth.secret (not (or $v.auth.tokens $v.auth.adminTokens $v.auth.quotas)) -}}
{{- $wrong = append $wrong "auth.secret: none of auth.tokens, auth.adminTokens and auth.quotas names a key of it" -}}
{{- end -}}
{{- if and (not $v.auth.secret) (or $v.auth.tokens $v.auth.adminTokens $v.auth.quotas) -}}
{{- $wrong = append $wrong "auth.secret: is needed for auth.tokens, auth.adminTokens and auth.quotas" -}}
{{- end -}}
{{- if and $v.tls.enabled (not $v.tls.secret) (not $v.tls.certManager.enabled) -}}
{{- $wrong = append $wrong "tls.enabled: needs tls.secret or tls.certManager.enabled" -}}
{{- end -}}
{{- if and (not $v.tls.enabled) (or $v.tls.certManager.enabled $v.tls.clients.secret) -}}
{{- $wrong = append $wrong "tls.enabled: is needed for tls.certManager and tls.clients" -}}
{{- end -}}
{{- if and $v.tls.certManager.enabled (not $v.tls.certManager.issuerRef.name) -}}
{{- $wrong = append $wrong "tls.certManager.issuerRef.name: is needed" -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $v.gateway.parentRefs) -}}
{{- $wrong = append $wrong "gateway.parentRefs: at least one Gateway is needed" -}}
{{- end -}}
{{- if and $v.gateway.enabled $v.tls.enabled (not $v.gateway.backendTls.caConfigMap) -}}
{{- $wrong = append $wrong "gateway.backendTls.caConfigMap: is needed where tls.enabled, as the Gateway has to check the servers' certificate" -}}
{{- end -}}
{{- if and $v.gateway.enabled $v.tls.clients.secret -}}
{{- $wrong = append $wrong "gateway.enabled: a Gateway has no client certificate of its own, but tls.clients.secret asks for one" -}}
{{- end -}}
{{- if and (ne $v.autoscaling.kind "none") (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- $wrong = append $wrong (printf "autoscaling.minReplicas: got %v, more than maxReplicas %v" $v.autoscaling.minReplicas $v.autoscaling.maxReplicas) -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\nThe values contradict each other:\n- %s" (join "\n- " $wrong)) -}}
{{- end -}}
{{- end }}
