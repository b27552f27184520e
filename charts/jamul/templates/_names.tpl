{{/* Names and labels. As in ingress-nginx's chart, so that `nameOverride: ingress-nginx` takes over its release. */}}

{{- define "jamul.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "jamul.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "jamul.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "jamul.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "jamul.controller" -}}
{{- printf "%s-%s" (include "jamul.fullname" .) .Values.controller.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "jamul.defaultBackend" -}}
{{- printf "%s-%s" (include "jamul.fullname" .) .Values.defaultBackend.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "jamul.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "jamul.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "jamul.electionID" -}}
{{- default (printf "%s-leader" (include "jamul.fullname" .)) .Values.controller.electionID -}}
{{- end -}}

{{- define "jamul.selector" -}}
app.kubernetes.io/name: {{ include "jamul.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "jamul.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "jamul.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ include "jamul.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with merge (dict) .Values.commonLabels .Values.certManager.global.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "jamul.controllerLabels" -}}
{{ include "jamul.labels" . }}
app.kubernetes.io/component: controller
{{- with .Values.controller.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image as people write it. Takes a dict of `image` and `root`. */}}
{{- define "jamul.image" -}}
{{- $image := .image -}}
{{- $registry := default .root.Values.global.image.registry $image.registry -}}
{{- $repository := default $image.image $image.repository -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ $repository }}:{{ default .root.Chart.AppVersion $image.tag }}
{{- if $image.digest }}@{{ $image.digest }}{{ end -}}
{{- end -}}

{{- define "jamul.publishService" -}}
{{- $service := printf "$(POD_NAMESPACE)/%s" (include "jamul.controller" .) -}}
{{- if and .Values.controller.service.internal.enabled (not .Values.controller.service.external.enabled) -}}
{{- $service = printf "%s-internal" $service -}}
{{- end -}}
{{- default $service .Values.controller.publishService.pathOverride -}}
{{- end -}}

{{- define "jamul.installsCrds" -}}
{{- $old := .Values.certManager.installCRDs -}}
{{- if kindIs "bool" $old }}{{ ternary "true" "" $old }}{{ else if .Values.certManager.crds.enabled }}true{{ end -}}
{{- end -}}

{{/* What cert-manager's objects are named after; `certManager.fullnameOverride: cert-manager` gives them its names. */}}
{{- define "jamul.webhook" -}}
{{- printf "%s-webhook" (default (include "jamul.fullname" .) .Values.certManager.fullnameOverride) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Webhooks are of the whole cluster: a release that watches one namespace has none. */}}
{{- define "jamul.isScoped" -}}
{{- if or .Values.rbac.scope .Values.controller.scope.enabled }}true{{ end -}}
{{- end -}}

{{- define "jamul.admitsIngresses" -}}
{{- if and .Values.controller.admissionWebhooks.enabled (not (include "jamul.isScoped" .)) }}true{{ end -}}
{{- end -}}

{{- define "jamul.admitsCertificates" -}}
{{- if and .Values.certManager.webhook.enabled (not (include "jamul.isScoped" .)) }}true{{ end -}}
{{- end -}}

{{- define "jamul.hasWebhooks" -}}
{{- if or (include "jamul.admitsIngresses" .) (include "jamul.admitsCertificates" .) }}true{{ end -}}
{{- end -}}

{{/* Name of the port of a TCP or UDP service. Takes `root`, `port` and `protocol`. */}}
{{- define "jamul.portName" -}}
{{- with .root.Values.portNamePrefix }}{{ . }}-{{ end }}{{ .port }}-{{ .protocol }}
{{- end -}}
