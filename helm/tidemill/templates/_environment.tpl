{{/* Settings of a service: (list $ SERVICE). */}}
{{- define "tidemill.env" -}}
{{- $root := first . -}}
{{- $components := include "tidemill.components" $root | fromYaml -}}
{{- $component := index $components (last .) -}}
{{- $service := index $root.Values.services (last .) -}}
- {name: TIDEMILL_PROJECT, value: {{ $root.Values.project | quote }}}
- {name: TIDEMILL_HOST, value: 0.0.0.0}
{{- range $setting, $callee := $component.addresses }}
{{- $each := (index $components $callee).each }}
{{- $host := include "tidemill.name" (list $root ($each | default $callee)) }}
{{- $address := printf "%s%s:%s" (empty $each | ternary "" "dns:///") $host (include "tidemill.port" (list $root $callee)) }}
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

{{/* What follows for one service from values of their own. */}}
{{- define "tidemill.transformEnv" -}}
{{- if and (gt (int .Values.services.transform.replicas) 1) (hasPrefix "parquet:" .Values.warehouseUrl) }}
{{- fail (printf "expected services.transform.replicas of 1 with a warehouse of Parquet, received %v" .Values.services.transform.replicas) }}
{{- end }}
{{- with .Values.dataflow }}
{{- if .enabled }}
{{- if $.Values.services.transform.settings.beam_options }}
{{- fail "expected dataflow.enabled or services.transform.settings.beam_options, received both" }}
{{- end }}
{{- $region := required "expected dataflow.region with dataflow.enabled" .region }}
{{- $image := include "tidemill.image" (list $ "worker" .workerImage) }}
{{- $options := list "--runner=DataflowRunner" (printf "--project=%s" $.Values.project) (printf "--region=%s" $region) }}
{{- $options = append $options (printf "--temp_location=%s/tmp" $.Values.bucketUrl) }}
{{- $options = append $options (printf "--sdk_container_image=%s" $image) }}
{{- with .workerServiceAccount }}
{{- $options = append $options (printf "--service_account_email=%s" .) }}
{{- end }}
- {name: TIDEMILL_BEAM_OPTIONS, value: {{ concat $options .options | toJson | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "tidemill.controllerEnv" -}}
{{- if eq .Values.pipelines "kubernetes" -}}
- {name: TIDEMILL_NAMESPACE, value: {{ .Release.Namespace | quote }}}
{{- end }}
{{- end }}

{{- define "tidemill.trainerEnv" -}}
{{ include "tidemill.trackingEnv" . | trim }}
{{- if eq .Values.training.launcher "kubernetes" }}
- {name: TIDEMILL_LAUNCHER, value: kubernetes}
- {name: TIDEMILL_JOB_TEMPLATE, value: /etc/tidemill/job.yaml}
{{- else }}
{{ include "tidemill.checkServerEnv" . }}
{{- end }}
{{- end }}

{{/* Where the trainer and its Jobs track runs. */}}
{{- define "tidemill.trackingEnv" -}}
{{- if eq .Values.mlflow.enabled (ne .Values.trackingUri "") }}
{{- fail "expected one of trackingUri and mlflow.enabled" }}
{{- end }}
{{- $own := printf "http://%s:5000" (include "tidemill.name" (list . "mlflow")) }}
- {name: TIDEMILL_TRACKING_URI, value: {{ .Values.mlflow.enabled | ternary $own .Values.trackingUri | quote }}}
{{- end }}
