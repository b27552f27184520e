{{/* The arguments of the container: one flag for each value that has one. */}}
{{- define "jamul.arguments" -}}
{{- $controller := .Values.controller -}}
{{- $certManager := .Values.certManager -}}
- run
{{- if .Values.defaultBackend.enabled }}
- --default-backend-service=$(POD_NAMESPACE)/{{ include "jamul.defaultBackend" . }}
{{- end }}
{{- if and $controller.publishService.enabled $controller.service.enabled (or $controller.service.external.enabled $controller.service.internal.enabled) }}
- --publish-service={{ include "jamul.publishService" . }}
{{- end }}
- --election-id={{ include "jamul.electionID" . }}
{{- with $controller.electionTTL }}
- --election-ttl={{ . }}
{{- end }}
{{- if $controller.disableLeaderElection }}
- --disable-leader-election=true
{{- end }}
- --controller-class={{ $controller.ingressClassResource.controllerValue }}
{{- with $controller.ingressClass }}
- --ingress-class={{ . }}
{{- end }}
- --configmap={{ default "$(POD_NAMESPACE)" $controller.configMapNamespace }}/{{ include "jamul.controller" . }}
{{- if .Values.tcp }}
- --tcp-services-configmap={{ default "$(POD_NAMESPACE)" $controller.tcp.configMapNamespace }}/{{ include "jamul.fullname" . }}-tcp
{{- end }}
{{- if .Values.udp }}
- --udp-services-configmap={{ default "$(POD_NAMESPACE)" $controller.udp.configMapNamespace }}/{{ include "jamul.fullname" . }}-udp
{{- end }}
{{- if $controller.scope.enabled }}
- --watch-namespace={{ default "$(POD_NAMESPACE)" $controller.scope.namespace }}
{{- else if $controller.scope.namespaceSelector }}
- --watch-namespace-selector={{ $controller.scope.namespaceSelector }}
{{- end }}
{{- if and $controller.reportNodeInternalIp $controller.hostNetwork }}
- --report-node-internal-ip-address=true
{{- end }}
{{- if include "jamul.hasWebhooks" . }}
{{- $namespace := include "jamul.namespace" . }}
{{- $webhook := include "jamul.webhook" . }}
- --validating-webhook=:{{ $controller.admissionWebhooks.port }}
- --dynamic-serving-ca-secret-name={{ $webhook }}-ca
- --dynamic-serving-dns-names={{ include "jamul.controller" . }}-admission.{{ $namespace }}.svc,{{ $webhook }},{{ $webhook }}.{{ $namespace }},{{ $webhook }}.{{ $namespace }}.svc
{{- end }}
{{- if not $certManager.cainjector.enabled }}
- --enable-cainjector=false
{{- end }}
{{- with $controller.healthCheckHost }}
- --healthz-host={{ . }}
{{- end }}
{{- if ne $controller.healthCheckPath "/healthz" }}
- --health-check-path={{ $controller.healthCheckPath }}
{{- end }}
{{- if $controller.ingressClassByName }}
- --ingress-class-by-name=true
{{- end }}
{{- if $controller.watchIngressWithoutClass }}
- --watch-ingress-without-class=true
{{- end }}
{{- if $controller.enableTopologyAwareRouting }}
- --enable-topology-aware-routing=true
{{- end }}
{{- if ne (int $controller.containerPort.http) 80 }}
- --http-port={{ $controller.containerPort.http }}
{{- end }}
{{- if ne (int $controller.containerPort.https) 443 }}
- --https-port={{ $controller.containerPort.https }}
{{- end }}
{{- if not (hasKey $controller.extraArgs "shutdown-grace-period") }}
- --shutdown-grace-period={{ $controller.shutdownGracePeriod }}
{{- end }}
- --cluster-resource-namespace={{ default "$(POD_NAMESPACE)" $certManager.clusterResourceNamespace }}
{{- if $certManager.enableCertificateOwnerRef }}
- --enable-certificate-owner-ref=true
{{- end }}
{{- if ne (int $certManager.maxConcurrentChallenges) 60 }}
- --max-concurrent-challenges={{ $certManager.maxConcurrentChallenges }}
{{- end }}
{{- with $certManager.dns01RecursiveNameservers }}
- --dns01-recursive-nameservers={{ . }}
{{- end }}
{{- if $certManager.dns01RecursiveNameserversOnly }}
- --dns01-recursive-nameservers-only=true
{{- end }}
{{- if $certManager.disableAutoApproval }}
- --controllers=-certificaterequests-approver
{{- end }}
{{- with $certManager.featureGates }}
- --feature-gates={{ . }}
{{- end }}
{{- with $certManager.ingressShim.defaultIssuerName }}
- --default-issuer-name={{ . }}
{{- end }}
{{- with $certManager.ingressShim.defaultIssuerKind }}
- --default-issuer-kind={{ . }}
{{- end }}
{{- with $certManager.ingressShim.defaultIssuerGroup }}
- --default-issuer-group={{ . }}
{{- end }}
{{- range $certManager.extraArgs }}
- {{ . }}
{{- end }}
{{- range $name, $value := $controller.extraArgs }}
{{- $text := toString $value }}
{{- if or (kindIs "invalid" $value) (eq $text "") }}
- --{{ $name }}
{{- else }}
- --{{ $name }}={{ $text }}
{{- end }}
{{- end }}
{{- end -}}
