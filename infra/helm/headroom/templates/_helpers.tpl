{{- define "headroom.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "headroom.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "headroom.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "headroom.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "headroom.selector" -}}
app.kubernetes.io/name: {{ include "headroom.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "headroom.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "headroom.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "headroom.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "headroom.storeSecret" -}}
{{- .Values.store.tokenSecret | default (printf "%s-store" (include "headroom.fullname" .)) -}}
{{- end -}}

{{- define "headroom.clusterAccount" -}}
{{ include "headroom.fullname" .root }}-cluster-{{ .cluster.name }}
{{- end -}}

{{/* Nobody's process is root, writes outside its volumes, or gains anything. */}}
{{- define "headroom.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "headroom.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "headroom.storeToken" -}}
- name: HEADROOM_STORE_TOKEN
  valueFrom: { secretKeyRef: { name: {{ include "headroom.storeSecret" . }}, key: token } }
{{- end -}}

{{- define "headroom.storeEnv" -}}
- { name: HEADROOM_HOME, value: /var/lib/headroom }
- { name: HEADROOM_STORE_URL, value: 'http://{{ include "headroom.fullname" . }}-store:{{ .Values.store.port }}' }
{{ include "headroom.storeToken" . }}
{{- end -}}

{{- define "headroom.temporalEnv" -}}
- { name: TEMPORAL_ADDRESS, value: {{ required "temporal.address: give host:port of your Temporal server" .Values.temporal.address | quote }} }
- { name: TEMPORAL_NAMESPACE, value: {{ .Values.temporal.namespace | quote }} }
{{- with .Values.temporal.apiKeySecret }}
- name: TEMPORAL_API_KEY
  valueFrom: { secretKeyRef: { name: {{ . }}, key: api-key } }
{{- end }}
{{- with .Values.temporal.tls }}
{{- if .enabled }}
- { name: TEMPORAL_TLS, value: 'true' }
{{- with .serverName }}
- { name: TEMPORAL_TLS_SERVER_NAME, value: {{ . | quote }} }
{{- end }}
{{- if .clientCertificate }}
- { name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/headroom/temporal/tls.crt }
- { name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/headroom/temporal/tls.key }
{{- end }}
{{- if .authority }}
- { name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/headroom/temporal/ca.crt }
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What all pods of the chart's share. */}}
{{- define "headroom.podCommon" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext: {{ include "headroom.podSecurity" . | nindent 2 }}
enableServiceLinks: false
terminationGracePeriodSeconds: 60
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A worker's Deployment. Takes root, component, replicas, args, env, resources, account, automount, volumes, mounts. */}}
{{- define "headroom.worker" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "headroom.fullname" $root }}-{{ .component }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{ include "headroom.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  replicas: {{ .replicas }}
  selector:
    matchLabels: {{ include "headroom.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels: {{ include "headroom.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
        headroom.dev/store-client: 'true'
        {{- with $root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $root.Values.podAnnotations }}
      annotations: {{ toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ .account }}
      automountServiceAccountToken: {{ .automount }}
      {{- include "headroom.podCommon" $root | nindent 6 }}
      containers:
        - name: worker
          image: {{ include "headroom.image" $root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson .args }}
          env: {{ include "headroom.storeEnv" $root | nindent 12 }}
            {{- include "headroom.temporalEnv" $root | nindent 12 }}
            {{- with .env }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- with $root.Values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - { name: metrics, containerPort: {{ $root.Values.metrics.port }}, protocol: TCP }
          startupProbe:
            httpGet: { path: /healthz, port: metrics }
            periodSeconds: 5
            failureThreshold: 30
          livenessProbe:
            httpGet: { path: /healthz, port: metrics }
            periodSeconds: 20
            timeoutSeconds: 5
          readinessProbe:
            httpGet: { path: /readyz, port: metrics }
            periodSeconds: 10
            timeoutSeconds: 5
          securityContext: {{ include "headroom.containerSecurity" $root | nindent 12 }}
          resources: {{ toYaml .resources | nindent 12 }}
          volumeMounts:
            - { name: home, mountPath: /var/lib/headroom }
            - { name: tmp, mountPath: /tmp }
            {{- if $root.Values.temporal.tls.secret }}
            - { name: temporal, mountPath: /etc/headroom/temporal, readOnly: true }
            {{- end }}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - { name: home, emptyDir: { sizeLimit: 64Mi } }
        - { name: tmp, emptyDir: { sizeLimit: 256Mi } }
        {{- with $root.Values.temporal.tls.secret }}
        - { name: temporal, secret: { secretName: {{ . }}, defaultMode: 0440 } }
        {{- end }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
{{- end -}}

{{/* The clusters with their defaults filled in, as JSON: { "list": [...] }. */}}
{{- define "headroom.clusters" -}}
{{- $list := list -}}
{{- range .Values.clusters -}}
{{- $cluster := mergeOverwrite (deepCopy $.Values.clusterDefaults) (deepCopy .) -}}
{{- if not (or $cluster.kubeconfigSecret $cluster.clusterWide $cluster.namespaces) -}}
{{- fail (printf "clusters: %s: name the namespaces of its accounts (namespaces: [{name: shop}]), or set clusterWide: true" .name) -}}
{{- end -}}
{{- if and $cluster.clusterWide $cluster.namespaces -}}
{{- fail (printf "clusters: %s: clusterWide means all namespaces; leave namespaces out, or clusterWide" .name) -}}
{{- end -}}
{{- $list = append $list $cluster -}}
{{- end -}}
{{- dict "list" $list | toJson -}}
{{- end -}}
