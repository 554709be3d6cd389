import type { V1Container, V1PodTemplateSpec } from '@kubernetes/client-node';
import { COMPONENTS, formatQuantity, parseQuantity, type Component, type Resources } from '../../domain/component.js';
import type { PathStep } from './managed-fields.js';

/** What the API calls a component; io and network are nothing that a pod can ask for. */
export const RESOURCE_NAMES: Partial<Record<Component, string>> = {
  cpu: 'cpu',
  memory: 'memory',
  storage: 'ephemeral-storage',
  gpu: 'nvidia.com/gpu',
};

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** The container that is sized: the one that the template names as its default, else the first. */
export function mainContainer(template: V1PodTemplateSpec | undefined): V1Container | undefined {
  const containers = template?.spec?.containers ?? [];
  const named = template?.metadata?.annotations?.[DEFAULT_CONTAINER];
  return containers.find(({ name }) => name === named) ?? containers[0];
}

/** Of one replica: all its containers together. A component that no container asks for is absent. */
export function requestsOf(template: V1PodTemplateSpec | undefined): Resources {
  const total: Resources = {};
  for (const component of COMPONENTS) {
    const resource = RESOURCE_NAMES[component];
    if (resource === undefined) continue;
    for (const container of template?.spec?.containers ?? []) {
      const text = container.resources?.requests?.[resource];
      if (text !== undefined) total[component] = (total[component] ?? 0) + parseQuantity(text);
    }
  }
  return total;
}

/** What the main container has to ask for, so that the replica asks for `value`; with how it reads back. */
export function mainRequest(
  template: V1PodTemplateSpec | undefined,
  component: Component,
  value: number,
): { quantity: string; value: number } | { refused: string } {
  const resource = RESOURCE_NAMES[component];
  const main = mainContainer(template);
  if (resource === undefined) return { refused: `Kubernetes pods cannot request ${component}` };
  if (main === undefined) return { refused: 'the pod template has no container' };
  let others = 0;
  for (const container of template?.spec?.containers ?? []) {
    const text = container.resources?.requests?.[resource];
    if (container !== main && text !== undefined) others += parseQuantity(text);
  }
  const own = value - others;
  if (own <= 0) {
    return {
      refused: `${value} of ${component} leaves nothing for container ${main.name}: the others ask for ${others}`,
    };
  }
  const quantity = formatQuantity(component, own);
  return { quantity, value: others + parseQuantity(quantity) };
}

export const requestPath = (container: string, resource: string): PathStep[] => [
  'spec',
  'template',
  'spec',
  'containers',
  { key: { name: container } },
  'resources',
  'requests',
  resource,
];
