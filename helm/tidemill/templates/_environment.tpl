{{/* Settings of a service: (list $ SERVICE). */}}
{{- define "tidemill.env" -}}
{{- $root := first . -}}
{{- $component := index (include "tidemill.components" $root | fromYaml) (last .) -}}
{{- $service := index $root.Values.services (last .) -}}
- {name: TIDEMILL_PROJECT, value: {{ $root.Values.project | quote }}}
- {name: TIDEMILL_HOST, value: 0.0.0.0}
{{- range $setting, $callee := $component.addresses }}
{{- $address := printf "%s:%s" (include "tidemill.name" (list $root $callee)) (include "tidemill.port" (list $root $callee)) }}
- {name: TIDEMILL_{{ $setting }}, value: {{ $address | quote }}}
{{- end }}
{{- range $setting, $value := $component.values }}
- {name: TIDEMILL_{{ $setting }}, value: {{ index $root.Values $value | quote }}}
{{- end }}
{{- range $setting, $value := $service.settings }}
{{- $text := kindIs "string" $value | ternary $value (toJson $value) }}
- {name: TIDEMILL_{{ upper $setting }}, value: {{ $text | quote }}}
{{- end }}
{{- range $setting, $secret := $service.secrets }}
- name: TIDEMILL_{{ upper $setting }}
  valueFrom: {secretKeyRef: {name: {{ $secret.name | quote }}, key: {{ $secret.key | quote }}}}
{{- end }}
{{- with $root.Values.pubsubEmulator }}
- {name: PUBSUB_EMULATOR_HOST, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* What the trainer is told besides: where trainings run, or where they try models out. */}}
{{- define "tidemill.trainerEnv" -}}
{{- if eq .Values.training.launcher "kubernetes" -}}
- {name: TIDEMILL_LAUNCHER, value: kubernetes}
- {name: TIDEMILL_JOB_TEMPLATE, value: /etc/tidemill/job.yaml}
{{- else -}}
{{ include "tidemill.checkServerEnv" . }}
{{- end }}
{{- end }}
