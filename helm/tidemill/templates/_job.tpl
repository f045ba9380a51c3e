{{/* The Job that every training is a copy of; the trainer adds a name, a command and what the spec asks for. */}}
{{- define "tidemill.job" -}}
{{- $name := "training" -}}
{{- $console := "https://console.cloud.google.com/logs/query;query=resource.type%3D%22k8s_container%22%0Aresource.labels.namespace_name%3D%22" -}}
apiVersion: batch/v1
kind: Job
metadata:
  namespace: {{ .Release.Namespace | quote }}
  labels:
    {{- include "tidemill.labels" (list . $name) | nindent 4 }}
  annotations:
    tidemill.dev/gpu-image: {{ include "tidemill.image" (list . "trainer-gpu" .Values.training.gpuImage) | quote }}
    tidemill.dev/logs: {{ printf "%s%s%%22%%0Alabels.%%22k8s-pod%%2Fbatch.kubernetes.io%%2Fjob-name%%22%%3D%%22{job}%%22?project=%s" $console .Release.Namespace .Values.project }}
  ownerReferences:
    - {apiVersion: apps/v1, kind: Deployment, name: {{ include "tidemill.name" (list . "trainer") }}}
spec:
  template:
    metadata:
      {{- /* To make room is no reason to begin a training anew. */}}
      {{- $annotations := dict "cluster-autoscaler.kubernetes.io/safe-to-evict" "false" }}
      {{- include "tidemill.podMetadata" (list . $name $annotations) | nindent 6 }}
    spec:
      {{- include "tidemill.pod" (list . $name) | nindent 6 }}
      subdomain: {{ include "tidemill.name" (list . $name) }}
      restartPolicy: Never
      initContainers:
        {{- include "tidemill.checkServer" . | nindent 8 }}
      containers:
        - name: training
          image: {{ include "tidemill.image" (list . "trainer" .Values.services.trainer.image) | quote }}
          env:
            {{- include "tidemill.env" (list . "trainer") | nindent 12 }}
            {{- include "tidemill.trackingEnv" . | trim | nindent 12 }}
            {{- include "tidemill.checkServerEnv" . | nindent 12 }}
          resources:
            {{- toYaml .Values.training.resources | nindent 12 }}
          securityContext:
            {{- include "tidemill.containerSecurity" . | nindent 12 }}
          volumeMounts:
            {{- include "tidemill.volumeMounts" (list . false) | nindent 12 }}
      volumes:
        {{- include "tidemill.volumes" (list . .Values.training.scratch) | nindent 8 }}
        {{- include "tidemill.checkServerVolume" . | nindent 8 }}
{{- end }}
