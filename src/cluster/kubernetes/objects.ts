import { CustomObjectsApi, PatchStrategy, type KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { HeadroomError } from '../../domain/errors.js';
import { patching, plain, type Caller } from './calls.js';

/*
 * Objects of any kind as the API server has them, read whole and written in parts: what is written has to be told from
 * what others own, field by field, so nothing of the object may get lost on the way through a typed client.
 */

/** A kind of object: `{ group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment' }`. */
export interface ObjectKind {
  group: string;
  version: string;
  plural: string;
  kind: string;
}

/** One object; `namespace` null for kinds of the whole cluster. */
export interface ObjectRef extends ObjectKind {
  namespace: string | null;
  name: string;
}

export const DEPLOYMENT: ObjectKind = { group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment' };
export const STATEFUL_SET: ObjectKind = { group: 'apps', version: 'v1', plural: 'statefulsets', kind: 'StatefulSet' };
export const HPA: ObjectKind = {
  group: 'autoscaling',
  version: 'v2',
  plural: 'horizontalpodautoscalers',
  kind: 'HorizontalPodAutoscaler',
};
export const SCALED_OBJECT: ObjectKind = {
  group: 'keda.sh',
  version: 'v1alpha1',
  plural: 'scaledobjects',
  kind: 'ScaledObject',
};

export const DISRUPTION_BUDGET: ObjectKind = {
  group: 'policy',
  version: 'v1',
  plural: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
};

const liveSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string().optional(),
    resourceVersion: z.string().optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    labels: z.record(z.string(), z.string()).optional(),
    managedFields: z
      .array(
        z.looseObject({
          manager: z.string().optional(),
          operation: z.string().optional(),
          apiVersion: z.string().optional(),
          subresource: z.string().optional(),
          time: z.string().optional(),
          fieldsV1: z.record(z.string(), z.unknown()).optional(),
        }),
      )
      .optional(),
  }),
});
export const listSchema = z.object({ items: z.array(z.looseObject({})) });

/** An object as it was read: all of it, with its metadata checked. */
export type LiveObject = z.output<typeof liveSchema>;
export type JsonObject = Record<string, unknown>;

/** Each throws ApiRefusal where the server says no, HeadroomError `unavailable` where it is out of reach. */
export interface ObjectApi {
  read(ref: ObjectRef, signal: AbortSignal): Promise<LiveObject>;
  list(kind: ObjectKind, namespace: string | null, signal: AbortSignal): Promise<LiveObject[]>;
  /** Server-Side Apply: the manager's whole intent for this object. */
  apply(
    ref: ObjectRef,
    intent: JsonObject,
    options: { manager: string; force: boolean },
    signal: AbortSignal,
  ): Promise<LiveObject>;
  /** An update of some fields in the name of a manager; the strategic merge patch knows lists by their keys. */
  update(
    ref: ObjectRef,
    fields: JsonObject,
    options: { manager: string; strategic: boolean },
    signal: AbortSignal,
  ): Promise<LiveObject>;
}

export function createObjectApi(kubeConfig: KubeConfig, call: Caller): ObjectApi {
  const objects = kubeConfig.makeApiClient(CustomObjectsApi);
  const grant = (verb: string, kind: ObjectKind): string => `${verb} on ${kind.plural}.${kind.group}`;
  const patch = (
    ref: ObjectRef,
    request: { body: JsonObject; fieldManager: string; force?: boolean },
    strategy: PatchStrategy,
    signal: AbortSignal,
  ): Promise<LiveObject> => {
    const { group, version, plural, name, namespace } = ref;
    const options = patching(strategy, signal);
    return call(grant('patch', ref), signal, async () => {
      const answer: unknown =
        namespace === null
          ? await objects.patchClusterCustomObject({ group, version, plural, name, ...request }, options)
          : await objects.patchNamespacedCustomObject({ group, version, plural, name, namespace, ...request }, options);
      return live(answer, ref);
    });
  };
  return {
    read: ({ group, version, plural, name, namespace, kind }, signal) =>
      call(grant('get', { group, version, plural, kind }), signal, async () => {
        const answer: unknown =
          namespace === null
            ? await objects.getClusterCustomObject({ group, version, plural, name }, plain(signal))
            : await objects.getNamespacedCustomObject({ group, version, plural, name, namespace }, plain(signal));
        return live(answer, { plural, group });
      }),
    list: (of, namespace, signal) =>
      call(grant('list', of), signal, async () => {
        const { group, version, plural } = of;
        const answer: unknown =
          namespace === null
            ? await objects.listClusterCustomObject({ group, version, plural }, plain(signal))
            : await objects.listNamespacedCustomObject({ group, version, plural, namespace }, plain(signal));
        const list = listSchema.safeParse(answer);
        if (!list.success) throw unreadable(of, list.error);
        // The items of a list do not repeat what the list says.
        return list.data.items.map((item) => live({ ...item, apiVersion: apiVersionOf(of), kind: of.kind }, of));
      }),
    apply: (ref, body, { manager, force }, signal) =>
      patch(ref, { body, fieldManager: manager, force }, PatchStrategy.ServerSideApply, signal),
    update: (ref, body, { manager, strategic }, signal) =>
      patch(
        ref,
        { body, fieldManager: manager },
        strategic ? PatchStrategy.StrategicMergePatch : PatchStrategy.MergePatch,
        signal,
      ),
  };
}

export const apiVersionOf = ({ group, version }: Pick<ObjectKind, 'group' | 'version'>): string =>
  group === '' ? version : `${group}/${version}`;

/** @throws HeadroomError `unavailable` where the answer is no object. */
export function live(answer: unknown, of: Pick<ObjectKind, 'plural' | 'group'>): LiveObject {
  const parsed = liveSchema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw unreadable(of, parsed.error);
}

const unreadable = (of: Pick<ObjectKind, 'plural' | 'group'>, error: z.ZodError): HeadroomError =>
  new HeadroomError({
    kind: 'unavailable',
    component: 'cluster/kubernetes',
    action: `reading ${of.plural}.${of.group}`,
    problem: `the answer is no such object: ${error.issues[0]?.path.join('.') ?? ''} ${error.issues[0]?.message ?? ''}`,
    remedy: 'is something between Headroom and the API server that alters its answers?',
  });
