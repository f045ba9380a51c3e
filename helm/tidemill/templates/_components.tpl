{{/*
How the components are wired; what a deployment may choose is in values.yaml.

  ports      what it serves; its main port is http, or the only one
  public     clients from outside the release may call its ports
  calls      components whose main port it calls
  addresses  settings that hold the main address of a component
  values     settings that hold a value of the chart
  named      keys of networkPolicy that name what else it calls
  google     it uses Google Cloud's APIs, or what stands in for them
  cloudSql   it calls Cloud SQL, by its auth proxy
  peers      port on which its pods call each other
  cluster    it calls Kubernetes itself
  user       who its image's files belong to, where that is another than everyone else's
  alone      there must never be two of it
  each       name of a Service that has each of its pods' addresses, for callers who know them all
*/}}
{{- define "tidemill.components" -}}
ingest:
  ports: {http: 8082}
  public: true
  calls: []
  addresses: {}
  values: {BUCKET_URL: bucketUrl}
  google: true
transform:
  ports: {}
  calls: []
  addresses: {}
  values: {BUCKET_URL: bucketUrl, WAREHOUSE_URL: warehouseUrl}
  google: true
trainer:
  ports: {}
  calls: {{ .Values.mlflow.enabled | ternary "[mlflow]" "[]" }}
  addresses: {}
  values: {BUCKET_URL: bucketUrl}
  named: {{ .Values.mlflow.enabled | ternary "[]" "[tracking]" }}
  google: true
  alone: true
  cluster: {{ eq .Values.training.launcher "kubernetes" }}
{{- if eq .Values.training.launcher "kubernetes" }}
training: {ports: {}, calls: [], google: true, peers: 2222}
{{- end }}
serving:
  ports: {grpc: 8510}
  calls: [model-server]
  addresses: {MODEL_SERVER_ADDRESS: model-server}
  values: {BUCKET_URL: bucketUrl}
  google: true
  alone: true
gateway:
  ports: {http: 8080, grpc: 8081}
  public: true
  calls: [serving, model-server]
  addresses: {SERVING_ADDRESS: serving}
  values: {BUCKET_URL: bucketUrl}
  named: [outside]
  google: true
controller:
  ports: {}
  calls: []
  addresses: {}
  values: {BUCKET_URL: bucketUrl, PIPELINES: pipelines}
  google: true
  alone: true
  cluster: {{ eq .Values.pipelines "kubernetes" }}
model-server: {ports: {grpc: 8500}, calls: [], google: true, each: models}
{{- if .Values.mlflow.enabled }}
{{- $bundled := eq .Values.mlflow.database.type "bundled" }}
mlflow:
  ports: {http: 5000}
  calls: {{ $bundled | ternary "[mlflow-database]" "[]" }}
  named: {{ eq .Values.mlflow.database.type "uri" | ternary "[database]" "[]" }}
  cloudSql: {{ eq .Values.mlflow.database.type "cloudsql" }}
  google: true
  alone: true
{{- if $bundled }}
mlflow-database: {ports: {postgresql: 5432}, calls: [], alone: true, user: 999}
{{- end }}
{{- end }}
{{- end }}

{{/* What the values say of a component: (list $ COMPONENT). */}}
{{- define "tidemill.chosen" -}}
{{- $values := (first .).Values -}}
{{- $mlflow := dict "mlflow" $values.mlflow "mlflow-database" $values.mlflow.database.bundled -}}
{{- $others := dict "model-server" $values.modelServer "training" $values.training -}}
{{- index (merge (dict) $values.services $others $mlflow) (last .) | toYaml -}}
{{- end }}

{{/* Port of /livez, /readyz and /metrics in every service. */}}
{{- define "tidemill.metricsPort" -}}9090{{- end }}

{{/* The main port of a component: (list $ COMPONENT). */}}
{{- define "tidemill.port" -}}
{{- $components := include "tidemill.components" (first .) | fromYaml -}}
{{- $ports := index $components (last .) "ports" -}}
{{- get $ports "http" | default (values $ports | first) -}}
{{- end }}
