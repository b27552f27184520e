{{/* Lines about values that were given and do nothing. Takes `values` and `reasons` (files/without-effect.yaml). */}}
{{- define "jamul.withoutEffect" -}}
{{- $values := .values -}}
{{- $prefix := .prefix -}}
{{- range $path, $reason := .reasons }}
{{- $found := $values -}}
{{- range $part := splitList "." (trimSuffix "." $path) -}}
{{- $found = ternary (index (default dict (ternary $found dict (kindIs "map" $found))) $part) nil (kindIs "map" $found) -}}
{{- end -}}
{{- if $found }}
  - {{ $prefix }}{{ trimSuffix "." $path }}: {{ $reason }}
{{- end -}}
{{- end -}}
{{- end -}}
