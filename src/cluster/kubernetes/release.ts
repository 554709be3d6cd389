import { HEADROOM } from '../fence.js';
import type { FieldPlace, Released } from '../port.js';
import { ApiRefusal } from './calls.js';
import { isWorkload } from './locate.js';
import { isMarkOf } from './marks.js';
import {
  DEPLOYMENT,
  HPA,
  SCALED_OBJECT,
  STATEFUL_SET,
  type LiveObject,
  type ObjectApi,
  type ObjectKind,
  type ObjectRef,
} from './objects.js';
import { NODE_POOL } from './actuators/nodepool.js';
import { ACCOUNT } from './provision/labels.js';

/*
 * How an account that ends lets go: the marks of its changes are what keeps another account from its objects. They are
 * found by what stands on the objects, not by what the account file names by now: a workload that was taken out of it
 * meanwhile is freed, too. Values, owners, and what users had set before (`headroom.dev/user-floor`) stay.
 */

/** Others write the object meanwhile: its status moves all through a rollout. */
const ATTEMPTS = 12;
const AT_ONCE = 8;

const NAMESPACED: readonly ObjectKind[] = [DEPLOYMENT, STATEFUL_SET, HPA, SCALED_OBJECT];

interface Found {
  ref: ObjectRef;
  object: LiveObject;
}

/** @throws HeadroomError `unavailable`. What the API server refuses is told by object. */
export async function releaseMarks(
  api: ObjectApi,
  account: string,
  places: readonly FieldPlace[],
  signal: AbortSignal,
): Promise<Released[]> {
  const namespaces = new Set(
    places.flatMap((place) => {
      if (isWorkload(place)) return [place.namespace];
      return place.kind === 'Pool' && place.placeholders !== undefined ? [place.placeholders.namespace] : [];
    }),
  );
  const released: Released[] = [];
  const found: Found[] = [];
  /** KEDA, Karpenter: what a cluster does not have, or a role may not see, Headroom has marked nothing of. */
  const look = async (of: string, work: () => Promise<Found[]>): Promise<void> => {
    try {
      found.push(...(await work()));
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.kind === 'not-found' || (error.kind === 'forbidden' && of !== DEPLOYMENT.plural)) return;
      released.push({ object: of, problem: error.message });
    }
  };
  for (const namespace of namespaces) {
    for (const kind of NAMESPACED) {
      await look(kind.plural, async () =>
        (await api.list(kind, namespace, signal)).map((object) => ({
          ref: { ...kind, namespace, name: object.metadata.name },
          object,
        })),
      );
    }
  }
  for (const place of places) {
    if (place.kind !== 'Pool' || place.karpenter === undefined) continue;
    const ref = { ...NODE_POOL, namespace: null, name: place.karpenter.nodePool };
    await look(NODE_POOL.plural, async () => [{ ref, object: await api.read(ref, signal) }]);
  }
  const marked = found.filter(({ object }) => marksOf(object, account).length > 0);
  for (let first = 0; first < marked.length; first += AT_ONCE) {
    const part = marked.slice(first, first + AT_ONCE);
    released.push(...(await Promise.all(part.map((one) => free(api, account, one, signal)))));
  }
  return released;
}

const marksOf = ({ metadata }: LiveObject, account: string): string[] =>
  Object.entries(metadata.annotations ?? {}).flatMap(([name, text]) =>
    isMarkOf(account, name, text) || (name === ACCOUNT && text === account) ? [name] : [],
  );

async function free(api: ObjectApi, account: string, { ref, object }: Found, signal: AbortSignal): Promise<Released> {
  const name = `${ref.kind} ${ref.namespace === null ? '' : `${ref.namespace}/`}${ref.name}`;
  let now = object;
  for (let attempt = 1; ; attempt++) {
    const { resourceVersion, uid } = now.metadata;
    const annotations = Object.fromEntries(marksOf(now, account).map((mark) => [mark, null]));
    try {
      const body = { metadata: { resourceVersion, uid, annotations } };
      await api.update(ref, body, { manager: HEADROOM, strategic: false }, signal);
      return { object: name, problem: null };
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.kind === 'not-found') return { object: name, problem: null };
      if (error.kind !== 'conflict' || attempt === ATTEMPTS) return { object: name, problem: error.message };
      now = await api.read(ref, signal);
      if (marksOf(now, account).length === 0) return { object: name, problem: null };
    }
  }
}
