import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createManagedObject,
  isObject,
  Refused,
  type Json,
  type JsonObject,
  type ManagedObject,
} from './managed-object.js';

/** A Kubernetes API server for tests: the verbs that the adapter uses, recorded, and able to misbehave. */
export interface FakeApiServer {
  url: string;
  /** `PATCH /apis/… manager=headroom`, in order. */
  requests: string[];
  deployment(name: string): ManagedObject;
  autoscaler(name: string): ManagedObject;
  /** Writes happen, and their connections break before the answer: so many times. */
  loseAnswers: number;
  /** All connections break. */
  down: boolean;
  /** Milliseconds before each answer. */
  delay: number;
  /** Answers requests of this method with a status, instead of doing them. */
  answer: { method: string; code: number; message: string } | null;
  /** Runs before each patch, as somebody who is faster. */
  beforePatch: (() => void) | null;
  nodes: JsonObject[];
  /** Installs a kind of custom resource (`nodepools`) with one object, as `manager` made it. */
  install(kind: string, object: JsonObject, manager: string): ManagedObject;
  /** The object of an installed kind as it stands; null where there is none. */
  custom(kind: string, name: string): JsonObject | null;
  close(): Promise<void>;
}

const NAMESPACE = 'acme';

const deployment = (name: string, replicas: number): JsonObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: NAMESPACE, annotations: { team: 'shop' } },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [
          { name: 'main', image: 'shop:1', resources: { requests: { cpu: '400m', memory: '768Mi' } } },
          { name: 'sidecar', image: 'proxy:1', resources: { requests: { cpu: '100m', memory: '256Mi' } } },
        ],
      },
    },
  },
  status: { replicas, readyReplicas: replicas },
});

const autoscaler = (name: string, floor: number, ceiling: number): JsonObject => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name, namespace: NAMESPACE },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
    minReplicas: floor,
    maxReplicas: ceiling,
  },
});

const specOf = (object: JsonObject): JsonObject => (isObject(object['spec']) ? object['spec'] : {});

const whole = (value: Json | undefined, least: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= least;

const validDeployment = (object: JsonObject): string | null =>
  whole(specOf(object)['replicas'], 0) ? null : 'spec.replicas: must be greater than or equal to 0';

function validAutoscaler(object: JsonObject): string | null {
  const { minReplicas, maxReplicas } = specOf(object);
  if (!whole(minReplicas, 1)) return 'spec.minReplicas: must be greater than or equal to 1';
  return Number(maxReplicas) >= Number(minReplicas) ? null : 'spec.maxReplicas: must not be below minReplicas';
}

/** Tells whoever watches a kind of each change, however it was made. */
function createWatched() {
  const watchers = new Set<{ kind: string; response: ServerResponse }>();
  return {
    add(kind: string, response: ServerResponse) {
      const watcher = { kind, response };
      watchers.add(watcher);
      response.on('close', () => watchers.delete(watcher));
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    },
    breakAll: () => [...watchers].forEach(({ response }) => response.destroy()),
    over(kind: string, object: ManagedObject): ManagedObject {
      const tell = () => {
        const event = `${JSON.stringify({ type: 'MODIFIED', object: object.read() })}\n`;
        for (const watcher of watchers) if (watcher.kind === kind) watcher.response.write(event);
      };
      return {
        ...object,
        patch(options) {
          const patched = object.patch(options);
          tell();
          return patched;
        },
        touch() {
          object.touch();
          tell();
        },
      };
    },
  };
}

export async function createFakeApiServer(): Promise<FakeApiServer> {
  const manager = 'kubectl';
  const watched = createWatched();
  const deployments = new Map(
    [deployment('web', 3), deployment('api', 4)].map((object, index) => [
      index === 0 ? 'web' : 'api',
      watched.over('deployments', createManagedObject(object, manager, validDeployment)),
    ]),
  );
  const autoscalers = new Map([
    [
      'api',
      watched.over('horizontalpodautoscalers', createManagedObject(autoscaler('api', 2, 10), manager, validAutoscaler)),
    ],
  ]);

  const customs = new Map<string, Map<string, ManagedObject>>();
  let uids = 1;

  const handle = async (request: IncomingMessage): Promise<JsonObject> => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const { method = 'GET' } = request;
    const by = url.searchParams.get('fieldManager');
    server.requests.push(`${method} ${url.pathname}${by === null ? '' : ` manager=${by}`}`);
    if (server.answer?.method === method) throw new Refused(server.answer.code, server.answer.message);
    if (url.pathname === '/api/v1/nodes')
      return { apiVersion: 'v1', kind: 'NodeList', metadata: { resourceVersion: '1' }, items: server.nodes };
    const [, group, , kind, name] =
      /^\/(?:apis\/([a-z0-9.-]+)|api)\/(v[0-9a-z]+)(?:\/namespaces\/acme)?\/([a-z]+)(?:\/([a-z0-9-]+))?$/.exec(
        url.pathname,
      ) ?? [];
    const custom = customs.get(kind ?? '');
    if (group?.includes('.') === true && custom === undefined) throw new Refused(404, '404 page not found');
    const objects =
      custom ??
      (kind === 'horizontalpodautoscalers'
        ? autoscalers
        : kind === 'deployments'
          ? deployments
          : new Map<string, ManagedObject>());
    if (name === undefined && method === 'POST') {
      const body: Json = JSON.parse(await textOf(request));
      const made = isObject(body) && isObject(body['metadata']) ? String(body['metadata']['name']) : '';
      if (!isObject(body) || by === null || made === '') throw new Refused(400, 'no object, or no field manager');
      if (objects.has(made)) throw new Refused(409, `${kind ?? 'thing'} "${made}" already exists`);
      const object = createManagedObject(withUid({ ...body, status: {} }, `uid-${uids++}`), by, () => null);
      objects.set(made, object);
      return object.read();
    }
    if (name === undefined) {
      return {
        apiVersion: 'v1',
        kind: 'List',
        metadata: { resourceVersion: '1' },
        items: [...objects.values()].map((object) => object.read()),
      };
    }
    const object = objects.get(name);
    if (object === undefined) throw new Refused(404, `${kind ?? 'thing'} "${name}" not found`);
    if (method === 'GET') return object.read();
    if (method === 'DELETE') {
      const options: Json = JSON.parse(await textOf(request));
      const { preconditions } = isObject(options) ? options : {};
      const metadata = object.read()['metadata'];
      const uid = isObject(metadata) ? metadata['uid'] : undefined;
      if (isObject(preconditions) && preconditions['uid'] !== uid) throw new Refused(409, 'the UID does not match');
      objects.delete(name);
      return { apiVersion: 'v1', kind: 'Status', status: 'Success' };
    }
    server.beforePatch?.();
    const type = request.headers['content-type'] ?? '';
    const apply = type.startsWith('application/apply-patch+yaml');
    if (!apply && !/^application\/(strategic-)?merge-patch\+json/.test(type))
      throw new Refused(415, `no patch: ${type}`);
    const body: Json = JSON.parse(await textOf(request));
    if (!isObject(body) || by === null) throw new Refused(400, 'no object, or no field manager');
    return object.patch({ body, manager: by, apply, force: url.searchParams.get('force') === 'true' });
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (server.delay > 0) await new Promise((resolve) => setTimeout(resolve, server.delay));
    if (server.down) return void request.socket.destroy();
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/readyz') return void response.writeHead(200).end('ok');
    if (url.searchParams.get('watch') === 'true' && server.answer?.method !== 'GET') {
      server.requests.push(`WATCH ${url.pathname}`);
      return watched.add(url.pathname.split('/').at(-1) ?? '', response);
    }
    let code = 200;
    let body: JsonObject;
    try {
      body = await handle(request);
      if (request.method === 'PATCH' && server.loseAnswers > 0) {
        server.loseAnswers--;
        return void request.socket.destroy();
      }
    } catch (error) {
      code = error instanceof Refused ? error.code : 500;
      const message = error instanceof Error ? error.message : String(error);
      body = { apiVersion: 'v1', kind: 'Status', metadata: {}, status: 'Failure', message, code };
    }
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };

  const http = createServer((request, response) => void respond(request, response));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address = http.address();
  const { port }: Pick<AddressInfo, 'port'> = typeof address === 'object' && address !== null ? address : { port: 0 };
  const found = (object: ManagedObject | undefined): ManagedObject => {
    if (object === undefined) throw new Error('the test asks for an object that is not there');
    return object;
  };
  let down = false;
  const server: FakeApiServer = {
    url: `http://127.0.0.1:${port}`,
    requests: [],
    deployment: (name) => found(deployments.get(name)),
    autoscaler: (name) => found(autoscalers.get(name)),
    loseAnswers: 0,
    get down() {
      return down;
    },
    set down(is) {
      down = is;
      if (is) watched.breakAll();
    },
    delay: 0,
    answer: null,
    beforePatch: null,
    nodes: [],
    install(kind, object, by) {
      const managed = createManagedObject(object, by, () => null);
      const { metadata } = object;
      const name = isObject(metadata) ? metadata['name'] : undefined;
      customs.set(kind, (customs.get(kind) ?? new Map<string, ManagedObject>()).set(String(name), managed));
      return managed;
    },
    custom: (kind, name) => customs.get(kind)?.get(name)?.read() ?? null,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
  return server;
}

const withUid = (object: JsonObject, uid: string): JsonObject => ({
  ...object,
  metadata: { ...(isObject(object['metadata']) ? object['metadata'] : {}), uid },
});

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}
