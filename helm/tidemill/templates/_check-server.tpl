{{/* The model server beside a training, in which new models are tried out: it runs as long as its pod does. */}}
{{- define "tidemill.checkServer" -}}
- name: model-server
  image: {{ .Values.modelServer.image | quote }}
  restartPolicy: Always
  command: {{ toJson .Values.modelServer.command }}
  args:
    - --port=8500
    - --model_config_file=/etc/tidemill/models.config
    - --max_num_load_retries=0
    - --enable_grpc_healthcheck_service=true
    {{- with .Values.modelServer.args }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  startupProbe:
    grpc: {port: 8500}
    periodSeconds: 2
    failureThreshold: 60
  resources:
    {{- toYaml .Values.training.modelServer.resources | nindent 4 }}
  securityContext:
    {{- include "tidemill.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: model-server, mountPath: /etc/tidemill, readOnly: true}
    - {name: scratch, mountPath: /tmp}
{{- end }}

{{/* What its pod needs for it besides scratch. */}}
{{- define "tidemill.checkServerVolume" -}}
- name: model-server
  configMap: {name: {{ include "tidemill.name" (list . "model-server") }}}
{{- end }}

{{/* Where a training finds it. */}}
{{- define "tidemill.checkServerEnv" -}}
- {name: TIDEMILL_CHECK_SERVER_ADDRESS, value: "localhost:8500"}
- {name: TIDEMILL_CHECK_SERVER_FOLDER, value: /tmp/check-server}
{{- end }}
