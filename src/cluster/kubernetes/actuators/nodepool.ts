import { NO_LIMIT, type LimitResource } from '../../../domain/cluster.js';
import { parseQuantity } from '../../../domain/component.js';
import { poolPlace } from '../../port.js';
import { HEADROOM } from '../../fence.js';
import { ApiRefusal } from '../calls.js';
import { writeObject } from '../intent.js';
import { fieldOwner, type PathStep } from '../managed-fields.js';
import { readMark } from '../marks.js';
import { type JsonObject, type ObjectKind } from '../objects.js';
import { nodePoolOf, type NodePool } from '../provision/api.js';
import { ACCOUNT } from '../provision/labels.js';
import type { Actuator, ActuatorContext, Opened } from './actuator.js';

/*
 * Karpenter's NodePool: what it may grow to, and which one it tries first. Nothing else of it is written, and no node,
 * NodeClaim or disruption budget ever: which node goes, and when, is Karpenter's to say.
 */

export const NODE_POOL: ObjectKind = { group: 'karpenter.sh', version: 'v1', plural: 'nodepools', kind: 'NodePool' };

export const limitOf = (pool: NodePool, resource: LimitResource): number => {
  const limit = pool.spec.limits?.[resource];
  return limit === undefined ? NO_LIMIT : parseQuantity(limit);
};

/** The API has no weight of 0: it stands for none. */
export const weightOf = (pool: NodePool): number => pool.spec.weight ?? 0;

export const limitOwner = (pool: NodePool, resource: LimitResource) =>
  fieldOwner(pool.metadata.managedFields, ['spec', 'limits', resource]);
export const weightOwner = (pool: NodePool) => fieldOwner(pool.metadata.managedFields, ['spec', 'weight']);

/** What one node of the pool counts against a limit: its whole capacity, which is more than it offers to pods. */
export function perNode(pool: NodePool, resource: LimitResource): number | null {
  if (resource === 'nodes') return 1;
  const used = pool.status?.resources?.[resource];
  const nodes = pool.status?.resources?.['nodes'];
  if (used === undefined || nodes === undefined) return null;
  const count = parseQuantity(nodes);
  return count > 0 ? parseQuantity(used) / count : null;
}

/** Rounded up to what a quantity can say: thousandths of a core, whole nodes and bytes. */
function spoken(resource: LimitResource, value: number): string {
  if (resource !== 'cpu') return String(Math.ceil(value - 1e-6));
  const thousandths = Math.ceil(value * 1000 - 1e-6);
  return thousandths % 1000 === 0 ? String(thousandths / 1000) : `${thousandths}m`;
}

/** `spec.limits.<resource>`. A limit below what runs takes no node away: it keeps new ones from coming. */
export const nodePoolLimit: Actuator<'limit'> = {
  field: 'limit',
  open: (field, place, context) =>
    open(place, context, (pool) => {
      const { resource, value } = field;
      const unlimited = value >= NO_LIMIT;
      const quantity = spoken(resource, value);
      return {
        value: limitOf(pool, resource),
        owner: limitOwner(pool, resource),
        mark: readMark(pool.metadata.annotations, field),
        stored: unlimited ? NO_LIMIT : parseQuantity(quantity),
        refusal: value < 0 ? `a limit of ${value} is below nothing` : null,
        spec: { limits: { [resource]: unlimited ? null : quantity } },
        path: ['spec', 'limits', resource],
      };
    }),
};

/** `spec.weight`. */
export const nodePoolWeight: Actuator<'weight'> = {
  field: 'weight',
  open: (field, place, context) =>
    open(place, context, (pool) => {
      const { value } = field;
      const known = Number.isInteger(value) && value >= 0 && value <= 100;
      return {
        value: weightOf(pool),
        owner: weightOwner(pool),
        mark: readMark(pool.metadata.annotations, field),
        stored: value,
        refusal: known ? null : `a weight is a whole number from 1 to 100, not ${value}`,
        spec: { weight: value === 0 ? null : value },
        path: ['spec', 'weight'],
      };
    }),
};

interface NodePoolField {
  value: number;
  owner: ReturnType<typeof limitOwner>;
  mark: ReturnType<typeof readMark>;
  stored: number;
  refusal: string | null;
  /** With null where nothing shall stand. */
  spec: JsonObject;
  path: PathStep[];
}

async function open(
  place: Parameters<typeof poolPlace>[0],
  { account, api, writeAs, signal }: ActuatorContext,
  read: (pool: NodePool) => NodePoolField,
): Promise<Opened> {
  const { pool: name, karpenter } = poolPlace(place);
  if (karpenter === undefined) {
    return { kind: 'missing', detail: `the account file gives pool ${name} no provisioning.karpenter` };
  }
  const ref = { ...NODE_POOL, namespace: null, name: karpenter.nodePool };
  const object = await api.read(ref, signal).catch((error: unknown) => {
    if (error instanceof ApiRefusal && error.kind === 'not-found') return null;
    throw error;
  });
  if (object === null) {
    return {
      kind: 'missing',
      detail: `there is no NodePool ${karpenter.nodePool} (karpenter.sh/v1); name it in provisioning.karpenter.nodePool`,
    };
  }
  const { value, owner, mark, stored, refusal, spec, path } = read(nodePoolOf(object));
  const other = object.metadata.annotations?.[ACCOUNT];
  const claimed =
    other === undefined || other === account
      ? null
      : `NodePool ${karpenter.nodePool} is written for account ${other}; headroom stop ${other} gives it up; where that account is gone already: kubectl annotate nodepool ${karpenter.nodePool} ${ACCOUNT}-`;
  return {
    kind: 'open',
    now: { value, owner, reportedOwner: owner, mark },
    stored,
    refusal: claimed ?? refusal,
    write: async (marked) => {
      const annotations = { ...marked, [ACCOUNT]: account };
      if (!removes(spec)) {
        await writeObject(api, { ref, object, fields: { spec }, paths: [path], annotations, writeAs }, signal);
        return;
      }
      // An apply cannot take away what somebody else states, too; an update can.
      const { resourceVersion, uid } = object.metadata;
      const body = { metadata: { resourceVersion, uid, annotations }, spec };
      await api.update(ref, body, { manager: HEADROOM, strategic: false }, signal);
    },
  };
}

const removes = (spec: JsonObject): boolean =>
  Object.values(spec).some(
    (value) => value === null || (typeof value === 'object' && Object.values(value).includes(null)),
  );
