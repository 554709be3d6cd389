import type { KubeConfig } from '@kubernetes/client-node';
import { HeadroomError } from '../../domain/errors.js';
import type { FieldOwner, FieldTarget, MutationResult } from '../../domain/cluster.js';
import {
  describeTarget,
  HEADROOM,
  judgeApply,
  judgeRestore,
  nextMark,
  type FieldNow,
  type Judgement,
} from '../fence.js';
import type { Cluster, FieldPlace } from '../port.js';
import { canWrite, openField } from './actuators/index.js';
import { ApiRefusal, createKubernetesApi, type KubernetesApi } from './api.js';
import { createTransport } from './cache/transport.js';
import { createWatches, type WatchesOptions } from './cache/watches.js';
import { isWorkload, locate } from './locate.js';
import { markAnnotation } from './marks.js';
import { stateOf } from './observe.js';
import { createPresence, type PresenceOptions } from './presence.js';
import { HPA_CONTROLLER } from './state.js';

/** Reads and writes again this often where others write the object meanwhile (its status moves all the time). */
const ATTEMPTS = 5;
const COMPONENT = 'cluster/kubernetes';

/**
 * The port over a Kubernetes API server. A field, and the mark with the change's key, are written by one request on the
 * object itself, with its resourceVersion as the precondition. (The scale subresource would take the number without the
 * mark; after a crash between the two, Headroom's own write could not be told from a person's.)
 *
 * What is observed comes from watches that begin with the first look and end with `close`; a write reads its object
 * afresh. docs/kubernetes.md says which verbs are needed.
 * @throws HeadroomError `invalid-input` where the kubeconfig names no cluster.
 */
export function createKubernetesCluster(options: {
  kubeConfig: KubeConfig;
  /** Under this name the API server's books have Headroom's writes. */
  fieldManager?: typeof HEADROOM;
  /** Default: the kubeconfig's name for it. */
  name?: string;
  watches?: WatchesOptions;
  presence?: PresenceOptions;
}): Cluster {
  const { kubeConfig, fieldManager = HEADROOM } = options;
  const current = kubeConfig.getCurrentCluster();
  if (current === null) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: COMPONENT,
      action: 'connecting',
      problem: 'the kubeconfig has no current cluster',
      remedy: 'choose one with kubectl config use-context, or set KUBECONFIG',
    });
  }
  const api = createKubernetesApi(kubeConfig);
  const transport = createTransport(kubeConfig);
  const watches = createWatches(transport, options.watches);
  const presence = createPresence(transport, watches, options.presence);
  /** Finds the object of a target by labels, and has `observe` wait for what is then written to it. */
  const placed = async (
    {
      account,
      target,
      at,
      signal,
    }: { account: string; target: FieldTarget; at: FieldPlace | null; signal: AbortSignal },
    write: (place: FieldPlace | null) => Promise<MutationResult>,
  ): Promise<MutationResult> => {
    if (!isWorkload(at)) return write(at);
    const place = await locate(transport, at, signal);
    if ('absent' in place) return { kind: 'not-found', detail: `${describeTarget(account, target)}: ${place.absent}` };
    try {
      return await write(place);
    } finally {
      presence.wrote(at);
    }
  };
  return {
    name: options.name ?? current.name,
    observe: async (request, signal) => {
      signal.throwIfAborted();
      const unseen = await presence.settle(request, signal);
      return stateOf(watches, request, unseen, Date.now() / 1000);
    },
    apply: (mutation, at, signal) => {
      const { account, target, key, reason } = mutation;
      const writeAs = { manager: fieldManager, ours: true };
      return placed({ account, target, at, signal }, (place) =>
        writeField(api, { account, target, at: place, key, reason, writeAs, signal }, (now) =>
          judgeApply(now, mutation),
        ),
      );
    },
    restore: ({ account, target, key, reason, changeKeys, owner }, at, signal) => {
      const writeAs = { manager: managerOf(owner) ?? fieldManager, ours: owner === null || owner === fieldManager };
      return placed({ account, target, at, signal }, (place) =>
        writeField(api, { account, target, at: place, key, reason, writeAs, signal }, (now) =>
          judgeRestore(now, { key, changeKeys, good: target.value }),
        ),
      );
    },
    close: () => watches.close(),
  };
}

/** The name in the API server's books for an owner as `observe` reports it. */
const managerOf = (owner: FieldOwner): string | null => (owner?.startsWith('hpa/') === true ? HPA_CONTROLLER : owner);

interface FieldWrite {
  account: string;
  target: FieldTarget;
  at: FieldPlace | null;
  key: string;
  reason: string;
  /** The manager in whose name it is written: Headroom, or on the way back the one who had it before. */
  writeAs: { manager: string; ours: boolean };
  signal: AbortSignal;
}

/** Reads, judges, writes under the resourceVersion that was read; from the start where the object moved in between. */
async function writeField(
  api: KubernetesApi,
  write: FieldWrite,
  judge: (now: FieldNow) => Judgement,
): Promise<MutationResult> {
  const { account, target, at, key, reason, writeAs, signal } = write;
  const what = describeTarget(account, target);
  if (!canWrite(target.field)) {
    return {
      kind: 'refused',
      detail: `${what}: this cluster's pools are not sized through the Kubernetes API; size it with its node autoscaler`,
    };
  }
  if (at === null) return { kind: 'not-found', detail: `${what}: the account file does not say where it is` };
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const opened = await openField(target, at, { api, account, writeAs, signal });
      if (opened.kind === 'missing') return { kind: 'not-found', detail: opened.detail };
      // The fence speaks first: who wrote in between matters more than that the value would not do.
      const judgement = judge(opened.now);
      if (judgement.kind !== 'write') return judgement;
      if (opened.refusal !== null) return { kind: 'refused', detail: `${what}: ${opened.refusal}` };
      await opened.write(markAnnotation(target, nextMark(opened.now.mark, key, opened.stored), reason));
      return { kind: 'applied', value: opened.stored };
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.kind === 'conflict') continue;
      const kind = error.kind === 'not-found' ? 'not-found' : 'refused';
      return { kind, detail: `${what}: ${error.message}` };
    }
  }
  throw new HeadroomError({
    kind: 'unavailable',
    component: COMPONENT,
    action: `writing ${what}`,
    problem: `others wrote the object ${ATTEMPTS} times in between`,
    remedy: 'try again; repeating a write with its key is safe',
  });
}
