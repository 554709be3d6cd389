import { setTimeout as delay } from 'node:timers/promises';
import type { ControlPlane } from '../../infra/servers/index.js';

/** What is observed: namespaces of Deployments, some with an HPA and a PodDisruptionBudget, each with limits. */
export interface Scene {
  namespaces: number;
  /** In each of them. */
  deployments: number;
  replicas: number;
}

export const namespaceOf = (index: number): string => `team-${String(index).padStart(3, '0')}`;
export const deploymentOf = (index: number): string => `service-${String(index).padStart(3, '0')}`;
/** One in so many has an autoscaler and a disruption budget. */
const AUTOSCALED = 4;
const PODS_PER_NODE = 250;

export async function build(plane: ControlPlane, scene: Scene, say: (line: string) => void): Promise<void> {
  const pods = scene.namespaces * scene.deployments * scene.replicas;
  await plane.addNodes(
    Array.from({ length: Math.ceil(pods / PODS_PER_NODE) + 2 }, (_, index) => ({
      name: `bench-${index}`,
      labels: { 'headroom.dev/pool': 'general' },
      cpu: '64',
      memory: '256Gi',
      pods: String(PODS_PER_NODE),
    })),
  );
  for (let index = 0; index < scene.namespaces; index++) {
    const namespace = namespaceOf(index);
    const items = [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
      ...limits(namespace),
      ...Array.from({ length: scene.deployments }, (_, which) =>
        objects(namespace, deploymentOf(which), which, scene),
      ).flat(),
    ];
    await plane.kubectl(['create', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
    if (index % 10 === 9) say(`${index + 1} namespaces are there`);
  }
  for (;;) {
    const ready = await plane.kubectl([
      ...[
        'get',
        'deployments',
        '--all-namespaces',
        '-o',
        'jsonpath={range .items[*]}{.status.readyReplicas}{"\\n"}{end}',
      ],
    ]);
    const up = ready.split('\n').filter((count) => Number(count) === scene.replicas).length;
    say(`${up} of ${scene.namespaces * scene.deployments} Deployments are ready`);
    if (up === scene.namespaces * scene.deployments) return;
    await delay(3000);
  }
}

const limits = (namespace: string) => [
  {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'compute', namespace },
    spec: { hard: { 'requests.cpu': '64', 'requests.memory': '256Gi', pods: '500' } },
  },
  {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'sizes', namespace },
    spec: { limits: [{ type: 'Container', min: { cpu: '10m' }, max: { cpu: '8' } }] },
  },
];

function objects(namespace: string, name: string, which: number, { replicas }: Scene): unknown[] {
  const labels = { app: name, 'app.kubernetes.io/part-of': namespace };
  const environment = Array.from({ length: 12 }, (_, index) => ({ name: `SETTING_${index}`, value: `value-${index}` }));
  const container = (called: string) => ({
    name: called,
    image: `registry.example/${called}:1.2.3`,
    env: environment,
    ports: [{ containerPort: 8080, name: 'http' }],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '1', memory: '512Mi' } },
  });
  const template = {
    metadata: { labels },
    spec: { containers: [container('main'), { ...container('proxy'), ports: [] }] },
  };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace, labels },
      spec: { replicas, selector: { matchLabels: { app: name } }, template },
    },
    ...(which % AUTOSCALED !== 0
      ? []
      : [
          {
            apiVersion: 'autoscaling/v2',
            kind: 'HorizontalPodAutoscaler',
            metadata: { name, namespace },
            spec: {
              scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
              minReplicas: replicas,
              maxReplicas: 10 * replicas,
            },
          },
          {
            apiVersion: 'policy/v1',
            kind: 'PodDisruptionBudget',
            metadata: { name, namespace },
            spec: { minAvailable: 1, selector: { matchLabels: { app: name } } },
          },
        ]),
  ];
}
