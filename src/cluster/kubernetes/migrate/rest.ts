import { request as requestHttp, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { HeadroomError } from '../../../domain/errors.js';
import { ApiRefusal, refusalOf } from '../calls.js';
import {
  apiVersionOf,
  listSchema,
  live,
  type JsonObject,
  type LiveObject,
  type ObjectApi,
  type ObjectKind,
  type ObjectRef,
} from '../objects.js';

/*
 * Objects of every group, the core one among them, as the API server has them: the client library's typed calls lose what
 * they do not know, and its untyped ones leave out the core group. Copying an object must lose nothing of it.
 */

export interface RestObjects extends ObjectApi {
  /** Null where there is no such object, or no such kind. */
  find(ref: ObjectRef, signal: AbortSignal): Promise<LiveObject | null>;
  /** None where the cluster has no such kind. `selector` as kubectl takes it. */
  select(kind: ObjectKind, namespace: string | null, selector: string, signal: AbortSignal): Promise<LiveObject[]>;
  create(ref: ObjectRef, body: JsonObject, manager: string, signal: AbortSignal): Promise<LiveObject>;
  /** Merge patch; a resourceVersion in the body is its precondition. */
  merge(ref: ObjectRef, body: JsonObject, manager: string, signal: AbortSignal): Promise<LiveObject>;
  /** Only this very object, with what it owns; gone already is as good. */
  remove(ref: ObjectRef, uid: string | undefined, signal: AbortSignal): Promise<void>;
}

/** A request that is not answered within this is out of reach. */
const TIMEOUT_MS = 15_000;

interface Request {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  query?: Record<string, string>;
  body?: JsonObject;
  type?: string;
}

/** Each throws {@link ApiRefusal} where the server says no, HeadroomError `unavailable` where it is out of reach. */
export function createRestObjects(kubeConfig: KubeConfig): RestObjects {
  const server = (kubeConfig.getCurrentCluster()?.server ?? '').replace(/\/$/, '');

  const send = async ({ method, path, query = {}, body, type }: Request, signal: AbortSignal): Promise<unknown> => {
    signal.throwIfAborted();
    const url = new URL(server + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    let status: number;
    let text = '';
    try {
      const options: RequestOptions = { headers: { Accept: 'application/json', 'User-Agent': 'headroom' } };
      // Each time afresh: tokens and certificates of a kubeconfig are renewed while a worker runs.
      await kubeConfig.applyToHTTPSOptions(options);
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        ...options.headers,
        // The length said outright: Node frames no body of a DELETE by itself, and its precondition would be lost.
        ...(payload === undefined
          ? {}
          : { 'Content-Type': type ?? 'application/json', 'Content-Length': String(Buffer.byteLength(payload)) }),
      };
      ({ status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
        const by = url.protocol === 'http:' ? requestHttp : requestHttps;
        const request = by(url, { ...options, headers, method, signal: bounded }, (response) => {
          let said = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (said += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text: said }));
          response.on('error', reject);
        });
        request.on('error', reject);
        request.end(payload);
      }));
    } catch (error) {
      signal.throwIfAborted();
      throw unavailable(`${method} ${path}`, error instanceof Error ? error.message : String(error), error);
    }
    const answer: unknown = parsed(text);
    if (status >= 200 && status < 300) return answer;
    const said = messageOf(answer) ?? `status ${status}`;
    throw (
      refusalOf(status, said, `${method} on ${path}`) ??
      unavailable(`${method} ${path}`, `it answers ${status}: ${said}`)
    );
  };

  const unavailable = (action: string, problem: string, cause?: unknown): HeadroomError =>
    new HeadroomError({
      ...{ kind: 'unavailable', component: 'cluster/kubernetes', action: `asking ${server} for ${action}`, problem },
      ...{ remedy: 'try again; repeating a write of a migration is safe', cause },
    });

  const one = async (ref: ObjectRef, request: Omit<Request, 'path'>, signal: AbortSignal): Promise<LiveObject> =>
    live(await send({ ...request, path: pathOf(ref, ref.name) }, signal), ref);

  const items = async (kind: ObjectKind, namespace: string | null, selector: string, signal: AbortSignal) => {
    const query: Record<string, string> = selector === '' ? {} : { labelSelector: selector };
    const answer = await send({ method: 'GET', path: pathOf({ ...kind, namespace }), query }, signal);
    return (listSchema.safeParse(answer).data?.items ?? []).map((item) =>
      live({ ...item, apiVersion: apiVersionOf(kind), kind: kind.kind }, kind),
    );
  };

  return {
    read: (ref, signal) => one(ref, { method: 'GET' }, signal),
    list: (kind, namespace, signal) => items(kind, namespace, '', signal),
    find: (ref, signal) => orElse(one(ref, { method: 'GET' }, signal), null),
    select: (kind, namespace, selector, signal) => orElse(items(kind, namespace, selector, signal), []),
    create: async (ref, body, fieldManager, signal) =>
      live(await send({ method: 'POST', path: pathOf(ref), query: { fieldManager }, body }, signal), ref),
    merge: (ref, body, fieldManager, signal) =>
      one(ref, { method: 'PATCH', query: { fieldManager }, body, type: 'application/merge-patch+json' }, signal),
    apply: (ref, body, { manager, force }, signal) => {
      const query = { fieldManager: manager, force: String(force) };
      return one(ref, { method: 'PATCH', query, body, type: 'application/apply-patch+yaml' }, signal);
    },
    update: (ref, body, { manager, strategic }, signal) => {
      const type = strategic ? 'application/strategic-merge-patch+json' : 'application/merge-patch+json';
      return one(ref, { method: 'PATCH', query: { fieldManager: manager }, body, type }, signal);
    },
    remove: async (ref, uid, signal) => {
      const body = {
        propagationPolicy: 'Background',
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      };
      await orElse(send({ method: 'DELETE', path: pathOf(ref, ref.name), body }, signal), null);
    },
  };
}

async function orElse<T>(work: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ApiRefusal && error.kind === 'not-found') return otherwise;
    throw error;
  }
}

function pathOf(
  { group, version, namespace, plural }: ObjectKind & { namespace: string | null },
  name?: string,
): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const within = namespace === null ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${within}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 200) };
  }
}

const messageOf = (answer: unknown): string | null =>
  typeof answer === 'object' && answer !== null && 'message' in answer && typeof answer.message === 'string'
    ? answer.message
    : null;
