import { HeadroomError } from '../../../domain/errors.js';
import { pathOf, type Kind } from './kinds.js';
import { createReflector, type Reflector, type ReflectorTimes } from './reflector.js';
import type { CacheRecord } from './store.js';
import type { Transport } from './transport.js';

/*
 * The watches of one kind: one over all namespaces where the role allows it, else one for each namespace that an account
 * asks for. Started when first asked for, and kept.
 */

export interface KindWatch<R extends CacheRecord> {
  /**
   * Makes sure that what is asked for is there and present; waits until `deadline` for what is on its way.
   * @returns false where the server has the kind and does not show it to us.
   * @throws HeadroomError `unavailable` where a watch is away, `refused` where a required kind is not granted.
   */
  ready(namespaces: readonly string[], deadline: number, signal: AbortSignal): Promise<boolean>;
  /** Of a kind without namespaces, the namespace is ''. */
  inNamespace(namespace: string): Iterable<R>;
  get(namespace: string, name: string): R | undefined;
  /** Of all namespaces; null where not all of them are watched. */
  everywhere(): Iterable<R> | null;
  /** What watches a namespace; null before it was asked for. */
  reflector(namespace: string): Reflector<R> | null;
  all(): Reflector<R>[];
  /** Asks again at once whether a custom resource is served: something hints that it is by now. */
  look(): void;
  close(): Promise<void>;
}

export interface KindWatchOptions {
  /** What a person should know once: that watches are by namespace, that something is not granted. */
  say: (line: string) => void;
  /** `namespaces`: does not try to watch all of them. */
  scope: 'cluster' | 'namespaces';
  times: Partial<ReflectorTimes>;
  now: () => number;
}

/** A failure this young is still the answer to whoever asks now: fifty accounts at once are not fifty attempts. */
const YOUNG_MS = 1_000;
/** Of the namespaces that nobody has asked for in this time the watches end. */
const UNUSED_MS = 3_600_000;

interface Entry<R extends CacheRecord> {
  reflector: Reflector<R>;
  usedAt: number;
}

export function createKindWatch<R extends CacheRecord>(
  transport: Transport,
  kind: Kind<R>,
  { say, scope, times, now }: KindWatchOptions,
): KindWatch<R> {
  let whole: Entry<R> | null = null;
  const byNamespace = new Map<string, Entry<R>>();
  let narrow = kind.namespaced && scope === 'namespaces';
  const told = new Set<string>();

  const sayOnce = (line: string) => {
    if (told.has(line)) return;
    told.add(line);
    say(line);
  };

  const start = (namespace: string | null): Entry<R> => ({
    reflector: createReflector<R>(
      transport,
      { resource: kind.resource, path: pathOf(kind, namespace), slim: kind.slim },
      { now, times },
    ),
    usedAt: now(),
  });

  /** The entries that answer for some namespaces; started where they are not there yet. */
  function entries(namespaces: readonly string[]): Entry<R>[] {
    if (!narrow) return [(whole ??= start(null))];
    for (const [namespace, entry] of byNamespace) {
      if (now() - entry.usedAt < UNUSED_MS) continue;
      byNamespace.delete(namespace);
      void entry.reflector.close();
    }
    return namespaces.map((namespace) => {
      const entry = byNamespace.get(namespace) ?? start(namespace);
      byNamespace.set(namespace, entry);
      entry.usedAt = now();
      return entry;
    });
  }

  const entryOf = (namespace: string): Entry<R> | null => (narrow ? (byNamespace.get(namespace) ?? null) : whole);

  /** Waits for an answer (live, absent, forbidden), or until an attempt that was made for us has failed. */
  async function settle(entry: Entry<R>, deadline: number, signal: AbortSignal): Promise<void> {
    const { reflector } = entry;
    const asked = now();
    let hurried = false;
    for (;;) {
      const status = reflector.status();
      if (status.kind === 'live' || status.kind === 'absent') return;
      const failure = status.kind === 'away' ? status.failure : status.words;
      // One failure is mended by the next attempt, as a rule; several in a row, the last of them young, are an answer.
      const failing = status.kind === 'away' && status.attempts > 1;
      const current = failure !== null && reflector.failedAt() >= (hurried || !failing ? asked : asked - YOUNG_MS);
      if (status.kind === 'forbidden' && (current || !kind.required)) return;
      if (current || now() >= deadline) throw away(reflector, failure);
      if (!hurried && failure !== null) {
        hurried = true;
        reflector.hurry();
      }
      await race(reflector.changed(), Math.max(1, deadline - now()), signal);
    }
  }

  const away = (reflector: Reflector<R>, failure: string | null) =>
    new HeadroomError({
      kind: 'unavailable',
      component: 'cluster/kubernetes',
      action: `watching ${reflector.resource} at ${transport.server}`,
      problem: failure ?? 'there is no whole answer yet',
      remedy: 'what the cluster was is not shown as what it is; the watch goes on trying',
    });

  async function ready(namespaces: readonly string[], deadline: number, signal: AbortSignal): Promise<boolean> {
    const asked = entries(namespaces);
    await Promise.all(asked.map((entry) => settle(entry, deadline, signal)));
    const statuses = asked.map(({ reflector }) => reflector.status());
    const refused = statuses.find((status) => status.kind === 'forbidden');
    if (refused?.kind === 'forbidden') {
      if (refused.status === 403 && kind.namespaced && !narrow) {
        narrow = true;
        if (!kind.custom)
          sayOnce(`${kind.resource} may not be listed over all namespaces: the accounts’ own are watched instead`);
        void whole?.reflector.close();
        whole = null;
      }
      if (narrow && asked.some((entry) => !byNamespaceHas(entry))) return ready(namespaces, deadline, signal);
      if (kind.required || refused.status === 401) {
        throw new HeadroomError({
          kind: 'refused',
          component: 'cluster/kubernetes',
          action: `watching ${kind.resource}`,
          problem: refused.words,
          remedy: 'see what the kubeconfig’s user may do with kubectl auth can-i --list',
        });
      }
      // Rights are asked before it is looked whether there is such a kind: where nothing needs it, nobody misses it.
      if (kind.custom) return true;
      sayOnce(`${kind.resource} are not seen: ${refused.words}`);
      return false;
    }
    // What is built in is always served: this is an API server that is just starting, or none.
    if (!kind.custom && statuses.some((status) => status.kind === 'absent')) {
      throw new HeadroomError({
        kind: 'unavailable',
        component: 'cluster/kubernetes',
        action: `watching ${kind.resource}`,
        problem: `${transport.server} does not serve it`,
        remedy: 'is this a Kubernetes API server of 1.25 or later, and has it started?',
      });
    }
    return true;
  }

  const byNamespaceHas = (entry: Entry<R>): boolean => [...byNamespace.values()].includes(entry);
  const all = (): Reflector<R>[] =>
    [...(whole === null ? [] : [whole]), ...byNamespace.values()].map(({ reflector }) => reflector);

  return {
    ready,
    inNamespace: (namespace) => entryOf(namespace)?.reflector.store.inNamespace(namespace) ?? [],
    get: (namespace, name) => entryOf(namespace)?.reflector.store.get(namespace, name),
    everywhere: () => (narrow ? null : (whole?.reflector.store.all() ?? null)),
    reflector: (namespace) => entryOf(namespace)?.reflector ?? null,
    all,
    look: () => all().forEach((reflector) => reflector.hurry()),
    close: async () => {
      await Promise.all(all().map((reflector) => reflector.close()));
    },
  };
}

/** Resolves at the change or after `ms`; rejects with the signal's reason. */
export async function race(change: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let done: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (done = resolve));
  const timer = setTimeout(done, ms);
  signal.addEventListener('abort', done, { once: true });
  void change.then(done);
  try {
    await first;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', done);
  }
  signal.throwIfAborted();
}
