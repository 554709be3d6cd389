import type { V1Deployment } from '@kubernetes/client-node';
import type { FieldOwner } from '../../../domain/cluster.js';
import { poolPlace, type PoolTarget } from '../../port.js';
import { fieldOwner } from '../managed-fields.js';
import { readMark } from '../marks.js';
import { claimedBy } from '../provision/labels.js';
import {
  offers,
  placeholderDeployment,
  placeholderPriority,
  placeholdersName,
  type Placeholders,
} from '../provision/placeholder-pods.js';
import { ApiRefusal } from '../calls.js';
import type { Actuator, ActuatorContext } from './actuator.js';

/** Replicas of the Deployment of placeholder pods, which Headroom makes and which belongs to one account. */
export const placeholders: Actuator<'warm'> = {
  field: 'warm',
  async open(field, place, context) {
    const pool = poolPlace(place);
    const { placeholders: spec } = pool;
    if (spec === undefined) {
      return { kind: 'missing', detail: `the account file gives pool ${pool.pool} no provisioning.placeholders` };
    }
    const at = { namespace: spec.namespace, name: placeholdersName(pool.pool) };
    const object = await context.api.provision.readDeployment(at, context.signal);
    const owner = warmOwner(object, context.account);
    return {
      kind: 'open',
      now: {
        value: object?.spec?.replicas ?? 0,
        owner,
        reportedOwner: owner,
        mark: readMark(object?.metadata?.annotations, field),
      },
      stored: field.value,
      refusal: refusalOf(object, context.account, field.value, spec, at),
      write: (mark) => write({ ...pool, placeholders: spec }, object, field.value, mark, context),
    };
  },
};

/** Who may size it: an account has its own placeholders, and another's are that account's. */
export function warmOwner(object: V1Deployment | null, account: string): FieldOwner {
  if (object === null) return null;
  const claim = claimedBy(object.metadata?.labels, account);
  if (claim !== null) return claim.other === null ? 'somebody else' : `account ${claim.other}`;
  return fieldOwner(object.metadata?.managedFields, ['spec', 'replicas']);
}

function refusalOf(
  object: V1Deployment | null,
  account: string,
  value: number,
  { node }: Placeholders,
  at: { namespace: string; name: string },
): string | null {
  if (!Number.isInteger(value) || value < 0) return `${value} is not a whole number from 0 up`;
  if (!offers(node)) return 'the pool’s node offers neither cpu nor memory: a placeholder would keep nothing free';
  const claim = object === null ? null : claimedBy(object.metadata?.labels, account);
  return claim === null
    ? null
    : `Deployment ${at.namespace}/${at.name} is ${claim.words}; give the pool another name, or its placeholders another namespace`;
}

async function write(
  place: PoolTarget & { placeholders: Placeholders },
  object: V1Deployment | null,
  replicas: number,
  annotations: Record<string, string>,
  { account, api: { provision }, writeAs, signal }: ActuatorContext,
): Promise<void> {
  const { namespace, priorityClass } = place.placeholders;
  const at = { namespace, name: placeholdersName(place.pool) };
  const resourceVersion = object?.metadata?.resourceVersion;
  if (object !== null && !writeAs.ours) {
    const body = { metadata: { resourceVersion, annotations }, spec: { replicas } };
    return provision.patchDeployment(at, body, writeAs.manager, signal);
  }
  if ((await provision.readPriorityClass(priorityClass, signal)) === null) {
    try {
      await provision.createPriorityClass(placeholderPriority(place.placeholders), writeAs.manager, signal);
    } catch (error) {
      // Another account was faster; it is the same one.
      if (!(error instanceof ApiRefusal && error.kind === 'conflict')) throw error;
    }
  }
  const body = placeholderDeployment(account, place, replicas, {
    annotations,
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  });
  return object === null
    ? provision.createDeployment(at, body, writeAs.manager, signal)
    : provision.applyDeployment(at, body, writeAs.manager, signal);
}
