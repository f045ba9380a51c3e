{{/*
How the components are wired; what a deployment may choose is in values.yaml.

  ports      what it serves; its main port is http, or grpc where it serves nothing else
  public     clients from outside the release may call its ports
  calls      components whose main port it calls
  addresses  settings that hold the main address of a component
  values     settings that hold a value of the chart
  outside    it calls what networkPolicy.outside names
  google     it uses Google Cloud's APIs, or what stands in for them
  peers      port on which its pods call each other
  cluster    it calls Kubernetes itself
  alone      there must never be two of it
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
  calls: []
  addresses: {}
  values: {BUCKET_URL: bucketUrl, TRACKING_URI: trackingUri}
  google: true
  alone: true
  cluster: {{ eq .Values.training.launcher "kubernetes" }}
{{- if eq .Values.training.launcher "kubernetes" }}
training: {ports: {}, calls: [], addresses: {}, values: {BUCKET_URL: bucketUrl, TRACKING_URI: trackingUri}, google: true, peers: 2222}
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
  google: true
  outside: true
model-server: {ports: {grpc: 8500}, calls: [], addresses: {}, google: true, alone: true}
{{- end }}

{{/* Port of /livez, /readyz and /metrics in every service. */}}
{{- define "tidemill.metricsPort" -}}9090{{- end }}

{{/* The main port of a component: (list $ COMPONENT). */}}
{{- define "tidemill.port" -}}
{{- $components := include "tidemill.components" (first .) | fromYaml -}}
{{- $ports := index $components (last .) "ports" -}}
{{- get $ports "http" | default (get $ports "grpc") -}}
{{- end }}
