{{/* The name of the chart, for labels. */}}
{{- define "stowage.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the objects: 50 characters, so that what is added to it fits into 63. */}}
{{- define "stowage.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "stowage.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What tells this release's pods from all others; never changes. */}}
{{- define "stowage.selectorLabels" -}}
app.kubernetes.io/name: {{ include "stowage.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "stowage.labels" -}}
{{- $own := dict
    "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
    "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_" | trunc 63)
    "app.kubernetes.io/managed-by" .Release.Service
    "app.kubernetes.io/part-of" "stowage" -}}
{{- $selector := include "stowage.selectorLabels" . | fromYaml -}}
{{- merge $selector $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Labels of this object, which say more than those of all. Takes a list: the root, the object's own labels. */}}
{{- define "stowage.labelsWith" -}}
{{- $all := include "stowage.labels" (index . 0) | fromYaml -}}
{{- merge $all (index . 1) | toYaml -}}
{{- end -}}

{{- define "stowage.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "stowage.fullname" . -}}
{{- else -}}
{{- fail "serviceAccount.create is false, so serviceAccount.name must say which one the operator runs as" -}}
{{- end -}}
{{- end -}}

{{- define "stowage.image" -}}
{{- $repository := .Values.image.repository -}}
{{- if .Values.image.registry -}}
{{- $repository = printf "%s/%s" (.Values.image.registry | trimSuffix "/") $repository -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Where the role's holder is. */}}
{{- define "stowage.subject" -}}
kind: ServiceAccount
name: {{ include "stowage.serviceAccountName" . }}
namespace: {{ .Release.Namespace }}
{{- end -}}
