{{/* What both containers of MLflow have, which tell MLflow its settings by its own variables. */}}
{{- define "tidemill.mlflowContainer" -}}
{{- $full := include "tidemill.name" (list . "mlflow") -}}
{{- $hosts := list "localhost:*" -}}
{{- range list "" (printf ".%s" .Release.Namespace) (printf ".%s.svc" .Release.Namespace) (printf ".%s.svc.cluster.local" .Release.Namespace) }}
{{- $hosts = append $hosts (printf "%s%s:5000" $full .) }}
{{- end -}}
env:
  {{- include "tidemill.databaseEnv" . | trim | nindent 2 }}
  - {name: MLFLOW_ARTIFACTS_DESTINATION, value: {{ printf "%s/mlflow" .Values.bucketUrl | quote }}}
  - {name: MLFLOW_SERVER_ALLOWED_HOSTS, value: {{ concat $hosts .Values.mlflow.allowedHosts | join "," | quote }}}
  # Its own runner of evaluations, which nothing here uses.
  - {name: MLFLOW_SERVER_ENABLE_JOB_EXECUTION, value: "false"}
  - {name: MLFLOW_DISABLE_TELEMETRY, value: "true"}
  - {name: HOME, value: /tmp}
resources:
  {{- toYaml .Values.mlflow.resources | nindent 2 }}
securityContext:
  {{- include "tidemill.containerSecurity" . | nindent 2 }}
volumeMounts:
  {{- include "tidemill.volumeMounts" (list . false) | nindent 2 }}
{{- end }}

{{/* Where its database is; libpq reads the password, so that it needs no escapes in an address. */}}
{{- define "tidemill.databaseEnv" -}}
{{- with .Values.mlflow.database }}
{{- $secret := required "expected mlflow.database.secret.name with mlflow.enabled" .secret.name }}
{{- $reference := printf "{secretKeyRef: {name: %q, key: %q}}" $secret .secret.key }}
{{- if eq .type "uri" }}
- {name: MLFLOW_BACKEND_STORE_URI, valueFrom: {{ $reference }}}
{{- else }}
{{- $host := eq .type "cloudsql" | ternary "localhost" (include "tidemill.name" (list $ "mlflow-database")) }}
- {name: MLFLOW_BACKEND_STORE_URI, value: {{ printf "postgresql+psycopg2://%s@%s:5432/%s" (urlquery .user) $host .name | quote }}}
- {name: PGPASSWORD, valueFrom: {{ $reference }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Cloud SQL's auth proxy beside MLflow: it encrypts, and shows that the pod's account may connect. */}}
{{- define "tidemill.cloudSqlProxy" -}}
{{- with .Values.mlflow.database }}
- name: cloud-sql-proxy
  image: {{ .cloudsql.image | quote }}
  restartPolicy: Always
  args:
    - --port=5432
    - --structured-logs
    - --health-check
    - --http-address=0.0.0.0
    {{- if .cloudsql.privateIp }}
    - --private-ip
    {{- end }}
    - {{ required "expected mlflow.database.cloudsql.instance with mlflow.database.type cloudsql" .cloudsql.instance | quote }}
  startupProbe:
    httpGet: {path: /startup, port: 9090}
    periodSeconds: 2
    failureThreshold: 60
  livenessProbe:
    httpGet: {path: /liveness, port: 9090}
    periodSeconds: 20
    timeoutSeconds: 5
  resources:
    {{- toYaml .cloudsql.resources | nindent 4 }}
  securityContext:
    {{- include "tidemill.containerSecurity" $ | nindent 4 }}
{{- end }}
{{- end }}
