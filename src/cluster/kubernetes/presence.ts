import type { ObserveRequest, WorkloadTarget } from '../port.js';
import type { KindName } from './cache/kinds.js';
import { race } from './cache/kind-watch.js';
import { hasReached, type Reflector } from './cache/reflector.js';
import { base, metadataSchema } from './cache/schemas.js';
import type { CacheRecord } from './cache/store.js';
import { Answered, type Transport } from './cache/transport.js';
import type { Watches } from './cache/watches.js';
import { kindsFor, namespacesOf, objectsOf, unavailable } from './observe.js';
import { KINDS, pathOf } from './cache/kinds.js';
import { findTarget } from './read/workloads.js';
import { z } from 'zod';

/*
 * That the caches show the present, and not what was: every watch is alive, the API server has been heard of late, and
 * what Headroom itself wrote is in them.
 */

export interface Presence {
  /** @returns the kinds that may not be read. @throws HeadroomError `unavailable` or `refused`, never an old state. */
  settle(request: ObserveRequest, signal: AbortSignal): Promise<ReadonlySet<KindName>>;
  /** A write was made, or may have been: the next look at this workload waits until the caches have it. */
  wrote(target: WorkloadTarget): void;
}

export interface PresenceOptions {
  /** Nothing heard of the API server for longer than this: it is asked whether it is there. */
  liveWithinMs?: number;
  /** How long it may take to answer that, and how long a cache may take to hear of a write. */
  waitMs?: number;
  now?: () => number;
}

const LIVE_WITHIN_MS = 60_000;
const WAIT_MS = 10_000;

const objectSchema = z.object({ metadata: metadataSchema });

export function createPresence(transport: Transport, watches: Watches, options: PresenceOptions = {}): Presence {
  const { liveWithinMs = LIVE_WITHIN_MS, waitMs = WAIT_MS, now = () => performance.now() } = options;
  const written = new Map<string, WorkloadTarget>();
  let answeredAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | null = null;

  async function ask(): Promise<void> {
    try {
      await transport.ping(waitMs);
      answeredAt = now();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      throw unavailable(`asking ${transport.server} whether it is there`, problem, error);
    } finally {
      asking = null;
    }
  }

  /** A connection that nobody ended may still lead nowhere. One question answers all who ask at the time. */
  async function alive(signal: AbortSignal): Promise<void> {
    const heard = Math.max(answeredAt, watches.heardAt() ?? Number.NEGATIVE_INFINITY);
    if (now() - heard <= liveWithinMs) return;
    const asked = (asking ??= ask());
    await Promise.race([asked, aborted(signal)]);
  }

  /** Reads the objects of a workload at the API server, and waits until the caches have heard of them. */
  async function catchUp(target: WorkloadTarget, signal: AbortSignal): Promise<void> {
    const found = findTarget(target, objectsOf(watches, target));
    const name = 'record' in found ? found.record.name : target.name;
    const { kind, namespace } = target;
    const scales = (record: { target: { kind: string; name: string } }) =>
      record.target.kind === kind && record.target.name === name;
    const places: { of: KindName; name: string }[] = [
      { of: kind === 'Deployment' ? 'deployments' : 'statefulSets', name },
      ...[...watches.autoscalers.inNamespace(namespace)]
        .filter(scales)
        .map((one) => ({ of: 'autoscalers' as const, name: one.name })),
      ...[...watches.scaledObjects.inNamespace(namespace)]
        .filter(scales)
        .map((one) => ({ of: 'scaledObjects' as const, name: one.name })),
    ];
    await Promise.all(
      places.map(async (place) => {
        const object = await read(place.of, namespace, place.name, signal);
        const reflector = watches[place.of].reflector(namespace);
        if (object !== null && reflector !== null) await reach(reflector, object, signal);
      }),
    );
  }

  async function read(of: KindName, namespace: string, name: string, signal: AbortSignal): Promise<CacheRecord | null> {
    const path = `${pathOf(KINDS[of], namespace)}/${encodeURIComponent(name)}`;
    try {
      return base(objectSchema.parse(await transport.get(path, {}, { signal, timeoutMs: waitMs })).metadata);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Answered && error.status === 404) return null;
      throw unavailable(
        `reading ${KINDS[of].resource} ${namespace}/${name} after a write`,
        error instanceof Error ? error.message : String(error),
        error,
      );
    }
  }

  async function reach(reflector: Reflector<CacheRecord>, object: CacheRecord, signal: AbortSignal): Promise<void> {
    const deadline = now() + waitMs;
    while (!hasReached(reflector, object)) {
      if (now() >= deadline) {
        throw unavailable(
          `watching ${reflector.resource}`,
          `version ${object.resourceVersion} of ${object.namespace}/${object.name} did not arrive within ${waitMs / 1000} s`,
        );
      }
      await race(reflector.changed(), Math.max(1, deadline - now()), signal);
    }
  }

  return {
    async settle(request, signal) {
      const unseen = await watches.ready(kindsFor(request), namespacesOf(request), signal);
      await alive(signal);
      const stale = request.workloads.filter(
        (target) => written.has(keyOf(target)) || (request.fresh?.includes(target.workload) ?? false),
      );
      await Promise.all(
        stale.map(async (target) => {
          const marked = written.get(keyOf(target));
          await catchUp(target, signal);
          // Another write may have come in between: its mark stays.
          if (marked !== undefined && written.get(keyOf(target)) === marked) written.delete(keyOf(target));
        }),
      );
      return unseen;
    },
    wrote: (target) => void written.set(keyOf(target), { ...target }),
  };
}

const keyOf = ({ kind, namespace, name, workload }: WorkloadTarget): string =>
  [kind, namespace, name, workload].join('/');

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
