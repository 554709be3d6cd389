import { KINDS, type KindName, type RecordOf } from './kinds.js';
import { createKindWatch, type KindWatch, type KindWatchOptions } from './kind-watch.js';
import type { ReflectorTimes } from './reflector.js';
import type { Transport } from './transport.js';

/** The watches of one cluster, a kind each. */
export type KindWatches = { [K in KindName]: KindWatch<RecordOf<K>> };

export interface Watches extends KindWatches {
  /**
   * Makes sure that these kinds are there and present, in these namespaces; see {@link KindWatch.ready}.
   * @returns the kinds that the server has and does not show us.
   */
  ready(kinds: readonly KindName[], namespaces: readonly string[], signal: AbortSignal): Promise<Set<KindName>>;
  /** When the API server was last heard, on any watch; null where never. */
  heardAt(): number | null;
  close(): Promise<void>;
}

export interface WatchesOptions {
  say?: (line: string) => void;
  scope?: KindWatchOptions['scope'];
  times?: Partial<ReflectorTimes>;
  /** How long `ready` waits for a watch that is on its way. */
  waitMs?: number;
  now?: () => number;
}

const WAIT_MS = 15_000;

export function createWatches(transport: Transport, options: WatchesOptions = {}): Watches {
  const { say = () => undefined, scope = 'cluster', times = {}, waitMs = WAIT_MS } = options;
  const now = options.now ?? (() => performance.now());
  const shared = { say, scope, times, now };
  const kinds: KindWatches = {
    deployments: createKindWatch(transport, KINDS.deployments, shared),
    statefulSets: createKindWatch(transport, KINDS.statefulSets, shared),
    autoscalers: createKindWatch(transport, KINDS.autoscalers, shared),
    scaledObjects: createKindWatch(transport, KINDS.scaledObjects, shared),
    disruptions: createKindWatch(transport, KINDS.disruptions, shared),
    quotas: createKindWatch(transport, KINDS.quotas, shared),
    limitRanges: createKindWatch(transport, KINDS.limitRanges, shared),
    pods: createKindWatch(transport, KINDS.pods, shared),
    nodes: createKindWatch(transport, KINDS.nodes, shared),
  };
  const all = Object.values(kinds);
  return {
    ...kinds,
    async ready(names, namespaces, signal) {
      signal.throwIfAborted();
      const deadline = now() + waitMs;
      const seen = await Promise.all(names.map((name) => kinds[name].ready(namespaces, deadline, signal)));
      return new Set(names.filter((_, index) => seen[index] === false));
    },
    heardAt() {
      let last: number | null = null;
      for (const one of all) {
        for (const reflector of one.all()) {
          const at = reflector.heardAt();
          if (at !== null && (last === null || at > last)) last = at;
        }
      }
      return last;
    },
    close: async () => {
      await Promise.all(all.map((one) => one.close()));
    },
  };
}
