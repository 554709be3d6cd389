import { z } from 'zod';
import { HeadroomError } from '../../domain/errors.js';
import { COMPONENTS } from '../../domain/component.js';
import type { ClusterState, MutationResult } from '../../domain/cluster.js';
import { describeTarget } from '../fence.js';
import type { Migrating, MoveLook, MoveResult, Survey } from '../migrating.js';
import type { Simulation } from './adapter.js';
import { noAction, type PreparationRecord } from './preparations.js';
import type { SampleWindow, Timeline } from './samples.js';
import { errorSchema, timeScaleSchema } from './wire.js';

const owner = z.string().nullable();
const component = z.enum(COMPONENTS);
const resources = z.partialRecord(component, z.number());

const stateSchema = z.object({
  at: z.number(),
  workloads: z.array(
    z.object({
      workload: z.string(),
      exists: z.boolean(),
      replicas: z.number(),
      readyReplicas: z.number(),
      request: resources,
      autoscaler: z
        .object({
          kind: z.enum(['hpa', 'scaledobject']),
          name: z.string(),
          floor: z.number(),
          ceiling: z.number(),
          userFloor: z.number().optional(),
          target: z.number().optional(),
          userTarget: z.number().optional(),
        })
        .nullable(),
      owners: z.object({ replicas: owner, request: owner, floor: owner, target: owner.optional() }),
      prepared: z.record(z.string(), z.number()).exactOptional(),
      placed: z.record(z.string(), z.number()).exactOptional(),
    }),
  ),
  pools: z.array(
    z.object({
      ...{ pool: z.string(), nodes: z.number(), readyNodes: z.number(), owner },
      sizedBy: z.string().exactOptional(),
    }),
  ),
}) satisfies z.ZodType<ClusterState>;

const resultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('applied'), value: z.number() }),
  z.object({ kind: z.literal('repeated'), value: z.number() }),
  z.object({ kind: z.literal('moved'), value: z.number(), owner }),
  z.object({ kind: z.literal('not-found'), detail: z.string() }),
  z.object({ kind: z.literal('refused'), detail: z.string() }),
]) satisfies z.ZodType<MutationResult>;

const preparationsSchema = z.array(
  z.object({
    ...{ account: z.string(), workload: z.string(), action: z.string(), key: z.string() },
    ...{ at: z.number(), needed: z.number(), dataSets: z.array(z.string()) },
  }),
) satisfies z.ZodType<PreparationRecord[]>;

const samples = z.array(z.object({ at: z.number(), value: z.number(), censored: z.boolean().exactOptional() }));
const windowSchema = z.object({
  usage: z.array(z.object({ key: z.object({ account: z.string(), workload: z.string(), component }), samples })),
  metrics: z.array(z.object({ account: z.string(), workload: z.string(), metric: z.string(), samples })),
  cursor: z.number(),
  more: z.boolean(),
}) satisfies z.ZodType<SampleWindow>;

const bins = z.array(z.number().nullable());
const timelineSchema = z.object({
  from: z.number(),
  step: z.number(),
  bins: z.number(),
  workloads: z.array(
    z.object({
      account: z.string(),
      workload: z.string(),
      replicas: bins,
      ready: bins,
      latencyP99: bins,
      errorRate: bins,
      saturation: bins,
      components: z.array(z.object({ component, demand: bins, capacity: bins, usage: bins })),
    }),
  ),
  pools: z.array(
    z.object({
      pool: z.string(),
      nodes: bins,
      ready: bins,
      costPerHour: bins,
      nodeHours: z.number(),
      cost: z.number(),
    }),
  ),
}) satisfies z.ZodType<Timeline>;

const counted = { replicas: z.number(), ready: z.number() };
const texts = z.array(z.string());
const surveySchema = z.object({
  refusals: texts,
  source: z.object({ words: z.string(), ...counted }),
  copy: z.object({ words: z.string(), name: z.string() }),
  traffic: z.object({
    kind: z.enum(['http-route', 'service', 'hook', 'weights', 'none']),
    words: z.string(),
    steps: z.array(z.number()),
  }),
  images: texts,
  volumes: texts,
  reverse: texts,
  before: z.string(),
}) satisfies z.ZodType<Survey>;
const moveResultSchema = z.object({
  kind: z.enum(['done', 'moved', 'refused']),
  detail: z.string(),
}) satisfies z.ZodType<MoveResult>;
const lookSchema = z.object({
  source: z.object(counted).nullable(),
  copy: z.object({ ...counted, troubles: z.tuple([]) }).nullable(),
  weight: z.number().nullable(),
  images: z.null(),
  mayTake: z.number(),
  claim: z.string().nullable(),
  made: texts,
  running: z.null(),
  counted: z.object({ all: z.number(), unserved: z.number(), seconds: z.number() }).nullable(),
}) satisfies z.ZodType<MoveLook>;
const logSchema = z.array(z.object({ at: z.number(), weight: z.number(), requests: z.number(), unserved: z.number() }));

const clockSchema = z.object({
  name: z.string(),
  clusters: z.array(z.string()).default([]),
  now: z.number(),
  scale: timeScaleSchema.nullable(),
});
const anything = z.unknown();

/** A client of the simulator's process: the same calls as in process, plus the end of it. */
export interface RemoteSimulation extends Simulation {
  shutdown(): Promise<void>;
}

/**
 * Connects to a simulated cluster in another process.
 * @throws HeadroomError `unavailable` where it is out of reach (each call does so, too), `refused` where the token is
 *   not the one that it wants.
 */
export async function connectSimulatedCluster(options: {
  url: string;
  token: string;
  /** Wall milliseconds after which a call without an answer fails. */
  timeoutMs?: number;
}): Promise<RemoteSimulation> {
  const { token, timeoutMs = 30_000 } = options;
  const base = options.url.replace(/\/$/, '');

  const call = async <T>(
    request: { action: string; path: string; body?: unknown; signal?: AbortSignal },
    schema: z.ZodType<T>,
  ): Promise<T> => {
    const { action, path, body, signal } = request;
    const unavailable = (problem: string, cause?: unknown) =>
      new HeadroomError({
        kind: 'unavailable',
        component: 'cluster/simulated',
        action,
        problem,
        remedy: `see that the simulated cluster runs at ${base}, then try again`,
        cause,
      });
    const limit = AbortSignal.timeout(timeoutMs);
    let status: number;
    let answer: unknown;
    try {
      const response = await fetch(`${base}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      status = response.status;
      answer = await response.json();
    } catch (error) {
      // The caller's own cancellation is not the cluster's fault.
      signal?.throwIfAborted();
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      throw unavailable(cause, error);
    }
    if (status >= 400) {
      const told = z.object({ error: errorSchema }).safeParse(answer);
      throw told.success ? new HeadroomError(told.data.error) : unavailable(`it answers ${status}`);
    }
    const parsed = schema.safeParse(answer);
    if (!parsed.success) throw unavailable(`its answer cannot be read: ${parsed.error.issues[0]?.message ?? ''}`);
    return parsed.data;
  };

  const clock = () => call({ action: 'reading the clock', path: '/v1/clock' }, clockSchema);
  const { name, clusters } = await clock();

  const migrating: Migrating = {
    survey: (body, signal) =>
      call({ action: `surveying ${body.id}`, path: '/v1/migration/survey', body, signal }, surveySchema),
    write: (request, write, signal) =>
      call(
        {
          ...{ action: `${write.kind} of ${request.id}`, path: '/v1/migration/write' },
          ...{ body: { request, write }, signal },
        },
        moveResultSchema,
      ),
    look: (body, signal) =>
      call({ action: `looking at ${body.id}`, path: '/v1/migration/look', body, signal }, lookSchema),
  };

  return {
    name,
    clusters: clusters.length === 0 ? [name] : clusters,
    observe: (body, signal) =>
      call({ action: `observing ${body.account}`, path: '/v1/observe', body, signal }, stateSchema),
    apply: async (body, place, signal) => {
      const unknown = noAction(body.target, place);
      if (unknown !== null) return { kind: 'refused', detail: unknown };
      return call(
        { action: `writing ${describeTarget(body.account, body.target)}`, path: '/v1/apply', body, signal },
        resultSchema,
      );
    },
    release: () => Promise.resolve([]),
    restore: (body, _target, signal) =>
      call(
        { action: `restoring ${describeTarget(body.account, body.target)}`, path: '/v1/restore', body, signal },
        resultSchema,
      ),
    now: async () => (await clock()).now,
    scale: async () => (await clock()).scale,
    run: (factor) => call({ action: 'starting the clock', path: '/v1/clock/run', body: { factor } }, timeScaleSchema),
    advance: async (to) => {
      await call({ action: 'moving the clock', path: '/v1/clock/advance', body: { to } }, anything);
    },
    inject: async (body) => {
      await call({ action: `injecting ${body.kind}`, path: '/v1/faults', body }, anything);
    },
    samplesSince: (since, signal) =>
      call({ action: 'reading samples', path: `/v1/samples?since=${since}`, signal }, windowSchema),
    timeline: (query) => {
      const given = Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]);
      const path = `/v1/timeline?${new URLSearchParams(given).toString()}`;
      return call({ action: 'reading the timeline', path }, timelineSchema);
    },
    migrating,
    crossing: migrating,
    preparations: (account) =>
      call(
        {
          action: `reading what was prepared for ${account}`,
          path: `/v1/preparations?${new URLSearchParams({ account }).toString()}`,
        },
        preparationsSchema,
      ),
    requestLog: (id) =>
      call(
        { action: `reading requests of ${id}`, path: `/v1/migration/log?${new URLSearchParams({ id }).toString()}` },
        logSchema,
      ),
    shutdown: async () => {
      await call({ action: 'ending the simulated cluster', path: '/v1/shutdown', body: {} }, anything);
    },
    // Nothing is held open between calls; the process goes on.
    close: () => Promise.resolve(),
  };
}
