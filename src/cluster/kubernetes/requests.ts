import { z } from 'zod';
import { COMPONENTS, formatQuantity, parseQuantity, type Component, type Resources } from '../../domain/component.js';
import type { FieldOwner } from '../../domain/cluster.js';
import { fieldOwner, type ManagedFields, type PathStep } from './managed-fields.js';

/** What is needed of a container and of a pod template, of typed clients and as the API has them. */
export interface SizedContainer {
  name: string;
  resources?: { requests?: Record<string, string> | undefined } | undefined;
}
export interface PodTemplate {
  metadata?: { annotations?: Record<string, string> | undefined } | undefined;
  spec?: { containers: readonly SizedContainer[] } | undefined;
}

/** What the API calls a component; io and network are nothing that a pod can ask for. */
export const RESOURCE_NAMES: Partial<Record<Component, string>> = {
  cpu: 'cpu',
  memory: 'memory',
  storage: 'ephemeral-storage',
  gpu: 'nvidia.com/gpu',
};

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** The container that is sized: the one that the template names as its default, else the first. */
export function mainContainer(template: PodTemplate | undefined): SizedContainer | undefined {
  const containers = template?.spec?.containers ?? [];
  const named = template?.metadata?.annotations?.[DEFAULT_CONTAINER];
  return containers.find(({ name }) => name === named) ?? containers[0];
}

/** Of one replica: all its containers together. A component that no container asks for is absent. */
export function requestsOf(template: PodTemplate | undefined): Resources {
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
  template: PodTemplate | undefined,
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

/*
 * Sizes given in place. The template of a Deployment cannot change without replacing its pods, which is what a resize in
 * place spares them: so the template keeps its own size, and what the pods were given stands beside it on the workload,
 * one annotation a component. It holds as long as the template asks for what it asked for then: whoever changes the
 * template means the new size.
 */

/** `headroom.dev/in-place-request.cpu`. */
export const inPlaceName = (component: Component): string => `headroom.dev/in-place-request.${component}`;

const inPlaceSchema = z.object({ container: z.string(), request: z.string(), template: z.string() });

export const inPlaceNote = (container: string, request: string, template: string): string =>
  JSON.stringify({ container, request, template });

/** The quantities of the main container that were given in place and still hold, by component. */
export function inPlaceRequests(
  annotations: Readonly<Record<string, string>> | undefined,
  template: PodTemplate | undefined,
): Partial<Record<Component, string>> {
  const main = mainContainer(template);
  const found: Partial<Record<Component, string>> = {};
  for (const component of COMPONENTS) {
    const text = annotations?.[inPlaceName(component)];
    const own = main?.resources?.requests?.[RESOURCE_NAMES[component] ?? ''];
    if (text === undefined || own === undefined) continue;
    try {
      const note = inPlaceSchema.safeParse(JSON.parse(text));
      if (!note.success || note.data.container !== main?.name) continue;
      if (parseQuantity(note.data.template) !== parseQuantity(own)) continue;
      parseQuantity(note.data.request);
      found[component] = note.data.request;
    } catch {
      // Garbled by somebody: the template alone counts.
    }
  }
  return found;
}

/** The template as its pods are meant to be: with what was given in place laid over it. */
export function sizedInPlace<T extends PodTemplate>(
  template: T,
  annotations: Readonly<Record<string, string>> | undefined,
): T {
  const given = inPlaceRequests(annotations, template);
  const main = mainContainer(template);
  if (main === undefined || template.spec === undefined || Object.keys(given).length === 0) return template;
  const over: Record<string, string> = {};
  for (const component of COMPONENTS) {
    const [resource, quantity] = [RESOURCE_NAMES[component], given[component]];
    if (resource !== undefined && quantity !== undefined) over[resource] = quantity;
  }
  const containers = template.spec.containers.map((container) =>
    container === main
      ? { ...container, resources: { ...container.resources, requests: { ...container.resources?.requests, ...over } } }
      : container,
  );
  return { ...template, spec: { ...template.spec, containers } };
}

/** Whose the request of one component is: who noted the size that holds in place, else who owns the template's. */
export function requestOwner(
  metadata: { annotations?: Record<string, string> | undefined; managedFields?: readonly ManagedFields[] | undefined },
  template: PodTemplate | undefined,
  component: Component,
): FieldOwner {
  const container = mainContainer(template);
  const resource = RESOURCE_NAMES[component];
  if (container === undefined || resource === undefined) return null;
  const noted = inPlaceRequests(metadata.annotations, template)[component] !== undefined;
  const path = noted ? ['metadata', 'annotations', inPlaceName(component)] : requestPath(container.name, resource);
  return fieldOwner(metadata.managedFields, path);
}

/** The same for each component that a replica asks for. */
export const requestOwners = (
  metadata: Parameters<typeof requestOwner>[0],
  template: PodTemplate | undefined,
): FieldOwner[] => {
  const requested = requestsOf(template);
  return COMPONENTS.filter((component) => requested[component] !== undefined).map((component) =>
    requestOwner(metadata, template, component),
  );
};
