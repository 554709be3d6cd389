export interface NodeSpec {
  name: string;
  labels?: Record<string, string>;
  taints?: readonly { key: string; value?: string; effect: string }[];
  cpu?: string;
  memory?: string;
  pods?: string;
}

/** A node that kwok plays, and that metrics-server finds usage of. Default: 8 cores, 32 GiB, 110 pods. */
export function nodeObject(spec: NodeSpec): object {
  const { name, labels = {}, taints = [], cpu = '8', memory = '32Gi', pods = '110' } = spec;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', type: 'kwok', ...labels },
      annotations: {
        'kwok.x-k8s.io/node': 'fake',
        'metrics.k8s.io/resource-metrics-path': `/metrics/nodes/${name}/metrics/resource`,
      },
    },
    spec: { taints },
    status: { allocatable: { cpu, memory, pods }, capacity: { cpu, memory, pods } },
  };
}
