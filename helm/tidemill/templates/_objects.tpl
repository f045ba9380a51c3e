{{/* Name of a component's objects: (list $ COMPONENT). */}}
{{- define "tidemill.name" -}}
{{- if gt (len (first .).Release.Name) 50 -}}
{{- fail (printf "expected a release name of at most 50 characters, received %q" (first .).Release.Name) -}}
{{- end -}}
{{- printf "%s-%s" (first .).Release.Name (last .) -}}
{{- end }}

{{/* What every pod of this release carries, and only they. */}}
{{- define "tidemill.release" -}}
app.kubernetes.io/name: tidemill
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Selector of a component: (list $ COMPONENT). Selectors are immutable: nothing that changes belongs here. */}}
{{- define "tidemill.selector" -}}
{{ include "tidemill.release" (first .) }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* Labels of a component's objects: (list $ COMPONENT). */}}
{{- define "tidemill.labels" -}}
{{ include "tidemill.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (first .).Chart.Name (first .).Chart.Version }}
{{- end }}

{{/* An image of Tidemill: (list $ NAME CHOSEN). */}}
{{- define "tidemill.image" -}}
{{- $image := (first .).Values.image -}}
{{- $default := printf "%stidemill-%s:%s" $image.registry (index . 1) ($image.tag | default (first .).Chart.AppVersion) -}}
{{- last . | default $default -}}
{{- end }}

{{/* Labels and annotations of a component's pods: (list $ COMPONENT ANNOTATIONS). */}}
{{- define "tidemill.podMetadata" -}}
{{- $root := first . }}
{{- $own := (include "tidemill.chosen" (list $root (index . 1)) | fromYaml).pod | default dict -}}
labels:
  {{- include "tidemill.labels" (list $root (index . 1)) | nindent 2 }}
  {{- with merge (dict) ($own.labels | default dict) $root.Values.pods.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (last .) ($own.annotations | default dict) $root.Values.pods.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* How many pods a service has: (list $ SERVICE). With no number said, an upgrade would leave one. */}}
{{- define "tidemill.replicas" -}}
{{- $root := first . -}}
{{- $service := index $root.Values.services (last .) -}}
{{- if dig "autoscaling" "enabled" false $service -}}
{{- $live := lookup "apps/v1" "Deployment" $root.Release.Namespace (include "tidemill.name" .) -}}
{{- max $service.autoscaling.minReplicas (dig "spec" "replicas" 0 $live) -}}
{{- else -}}
{{- $service.replicas -}}
{{- end -}}
{{- end }}

{{/* What a pod of a component has before its containers: (list $ COMPONENT). */}}
{{- define "tidemill.pod" -}}
{{- $root := first . -}}
{{- $component := index (include "tidemill.components" $root | fromYaml) (last .) -}}
{{- $own := (include "tidemill.chosen" . | fromYaml).pod | default dict -}}
serviceAccountName: {{ include "tidemill.name" . }}
automountServiceAccountToken: {{ $component.cluster | default false }}
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with $own.priorityClass | default $root.Values.pods.priorityClass }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with index $own $key | default (index $root.Values.pods $key) }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- if not $component.alone }}
# One node, or one zone, should not take all of them with it.
topologySpreadConstraints:
  {{- $labels := include "tidemill.selector" . }}
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $labels | nindent 8 }}
  {{- end }}
{{- end }}
{{- $user := $component.user | default 65532 }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $user }}
  runAsGroup: {{ $user }}
  fsGroup: {{ $user }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Security of every container. */}}
{{- define "tidemill.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The volumes of a pod: (list $ SCRATCH_SIZE). */}}
{{- define "tidemill.volumes" -}}
- name: scratch
  emptyDir: {sizeLimit: {{ last . }}}
{{- with (first .).Values.bucketClaim }}
- name: bucket
  persistentVolumeClaim: {claimName: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* Where its container sees them: (list $ BUCKET_IS_READ_ONLY). */}}
{{- define "tidemill.volumeMounts" -}}
- {name: scratch, mountPath: /tmp}
{{- if (first .).Values.bucketClaim }}
- {name: bucket, mountPath: {{ trimPrefix "file://" (first .).Values.bucketUrl | quote }}, readOnly: {{ last . }}}
{{- end }}
{{- end }}
