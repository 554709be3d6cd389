import { setTimeout as delay } from 'node:timers/promises';
import { HeadroomError } from '../../domain/errors.js';
import type { FieldOwner, FieldTarget, MutationResult } from '../../domain/cluster.js';
import {
  accountOfKey,
  describeTarget,
  HEADROOM,
  nextMark,
  sameValue,
  type FieldNow,
  type Judgement,
} from '../fence.js';
import type { FieldPlace } from '../port.js';
import { canWrite, openField } from './actuators/index.js';
import { ApiRefusal, type KubernetesApi } from './api.js';
import { markAnnotation, markName } from './marks.js';
import { HPA_CONTROLLER } from './state.js';

/** Reads and writes again this often where others write the object meanwhile (its status moves all through a rollout). */
const ATTEMPTS = 12;
/** Milliseconds before the second attempt; each further one waits so much longer. */
const PAUSE_MS = 25;

export interface FieldWrite {
  account: string;
  target: FieldTarget;
  at: FieldPlace | null;
  key: string;
  reason: string;
  purpose: 'apply' | 'restore';
  /** Who shall have the field afterwards; null: nobody else had it, so Headroom. */
  owner: FieldOwner;
  /** What an action that is prepared is told to fetch. */
  dataSets?: readonly string[];
  signal: AbortSignal;
}

/**
 * Reads, judges, writes under the resourceVersion that was read; from the start where the object moved in between.
 * @throws HeadroomError `unavailable` where the API server is out of reach, or the object never stood still.
 */
export async function writeField(
  api: KubernetesApi,
  write: FieldWrite,
  judge: (now: FieldNow) => Judgement,
): Promise<MutationResult> {
  const { account, target, at, key, reason, purpose, signal } = write;
  const manager = managerOf(write.owner);
  const writeAs = { manager, ours: manager === HEADROOM };
  const what = describeTarget(account, target);
  const refused = (detail: string): MutationResult => ({ kind: 'refused', detail: `${what}: ${detail}` });
  if (!canWrite(target.field) || (target.field === 'nodes' && !hasMachines(at))) {
    return refused("this cluster's pools are not sized through the Kubernetes API; size it with its node autoscaler");
  }
  if (at === null) return { kind: 'not-found', detail: `${what}: the account file does not say where it is` };
  let last = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const opened = await openField(target, at, {
        ...{ api, account, purpose, writeAs, signal },
        ...(write.dataSets === undefined ? {} : { dataSets: write.dataSets }),
      });
      if (opened.kind === 'missing') return { kind: 'not-found', detail: opened.detail };
      // The fence speaks first: who wrote in between matters more than that the value would not do.
      const judgement = judge(opened.now);
      if (judgement.kind !== 'write') {
        // A worker that died after the write may have left what follows it undone.
        const { mark, value } = opened.now;
        const stands = judgement.kind === 'repeated' && mark?.key === key && sameValue(mark.value, value);
        const left = stands ? await opened.finish?.() : null;
        return left === undefined || left === null ? judgement : refused(left);
      }
      if (opened.refusal !== null) return refused(opened.refusal);
      if (purpose === 'apply') {
        const { owner, mark } = opened.now;
        const claimed = mark === null ? null : accountOfKey(mark.key);
        if (owner === HEADROOM && claimed !== null && claimed !== accountOfKey(key)) {
          return refused(
            `account ${claimed} has it (${mark?.key ?? ''}): one object has one account; ` +
              `headroom stop ${claimed} gives it up (with --restore its old value comes back); ` +
              `where that account is gone already, take the annotation ${markName(target)} off the object`,
          );
        }
        const { given, words } = opened.consent ?? { given: consents(at), words: 'takeOwnership: true' };
        if (isForeign(owner) && !given) {
          return refused(`it belongs to ${owner}; ${words} in the account file would let Headroom take it`);
        }
        const limit = await opened.limits?.();
        if (limit !== undefined && limit !== null) return refused(limit);
      }
      await opened.write(markAnnotation(target, nextMark(opened.now.mark, key, opened.stored), reason));
      const left = await opened.finish?.();
      return left === undefined || left === null ? { kind: 'applied', value: opened.stored } : refused(left);
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      if (error.kind === 'conflict') {
        last = error.message;
        await delay(attempt * PAUSE_MS, undefined, { signal });
        continue;
      }
      if (error.kind === 'not-found') return { kind: 'not-found', detail: `${what}: ${error.message}` };
      return refused(error.message);
    }
  }
  throw new HeadroomError({
    kind: 'unavailable',
    component: 'cluster/kubernetes',
    action: `writing ${what}`,
    problem: `others wrote the object ${ATTEMPTS} times in between (${last})`,
    remedy: 'try again; repeating a write with its key is safe',
  });
}

/** Nodes are never written; how many machines a MachineDeployment has is. */
const hasMachines = (at: FieldPlace | null): boolean => at?.kind === 'Pool' && at.clusterApi !== undefined;

const isForeign = (owner: FieldOwner): owner is string =>
  owner !== null && owner !== HEADROOM && !owner.startsWith(`${HEADROOM}/`);

/** Of a pool or a task, that the account file names its object at all is the consent. */
const consents = (place: FieldPlace): boolean =>
  place.kind === 'Pool' || place.kind === 'CronJob' || place.takeOwnership === true;

/** The name in the API server's books for an owner as `observe` reports it. */
const managerOf = (owner: FieldOwner): string =>
  owner === null ? HEADROOM : owner.startsWith('hpa/') ? HPA_CONTROLLER : owner;
