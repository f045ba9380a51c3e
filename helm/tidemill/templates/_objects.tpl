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
app.kubernetes.io/instance: {{ .Release.Name }}
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

{{/* Image of a service: (list $ SERVICE). */}}
{{- define "tidemill.image" -}}
{{- $image := (first .).Values.image -}}
{{- $default := printf "%stidemill-%s:%s" $image.registry (last .) ($image.tag | default (first .).Chart.AppVersion) -}}
{{- index (first .).Values.services (last .) "image" | default $default -}}
{{- end }}

{{/* What a pod of a component has before its containers: (list $ COMPONENT). */}}
{{- define "tidemill.pod" -}}
serviceAccountName: {{ include "tidemill.name" . }}
{{- $component := index (include "tidemill.components" (first .) | fromYaml) (last .) }}
automountServiceAccountToken: {{ $component.cluster | default false }}
enableServiceLinks: false
{{- with (first .).Values.priorityClass }}
priorityClassName: {{ . | quote }}
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
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
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
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- end }}

{{/* Where its container sees them: (list $ BUCKET_IS_READ_ONLY). */}}
{{- define "tidemill.volumeMounts" -}}
- {name: scratch, mountPath: /tmp}
{{- if (first .).Values.bucketClaim }}
- {name: bucket, mountPath: {{ trimPrefix "file://" (first .).Values.bucketUrl }}, readOnly: {{ last . }}}
{{- end }}
{{- end }}
