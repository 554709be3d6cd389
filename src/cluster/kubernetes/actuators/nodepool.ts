import { NO_LIMIT, type LimitResource } from '../../../domain/cluster.js';
import { parseQuantity } from '../../../domain/component.js';
import { poolPlace } from '../../port.js';
import { fieldOwner } from '../managed-fields.js';
import { readMark } from '../marks.js';
import type { NodePool } from '../provision/api.js';
import { ACCOUNT } from '../provision/labels.js';
import type { Actuator, ActuatorContext, Opened } from './actuator.js';

/*
 * Karpenter's NodePool: what it may grow to, and which one it tries first. Nothing else of it is written, and no node,
 * NodeClaim or disruption budget ever: which node goes, and when, is Karpenter's to say.
 */

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

const spoken = (resource: LimitResource, value: number): string =>
  resource === 'cpu' ? `${Math.ceil(value * 1000 - 1e-6)}m` : String(Math.ceil(value - 1e-6));

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
      };
    }),
};

async function open(
  place: Parameters<typeof poolPlace>[0],
  { account, api: { provision }, writeAs, signal }: ActuatorContext,
  read: (pool: NodePool) => {
    value: number;
    owner: ReturnType<typeof limitOwner>;
    mark: ReturnType<typeof readMark>;
    stored: number;
    refusal: string | null;
    spec: object;
  },
): Promise<Opened> {
  const { pool: name, karpenter } = poolPlace(place);
  if (karpenter === undefined) {
    return { kind: 'missing', detail: `the account file gives pool ${name} no provisioning.karpenter` };
  }
  const pool = await provision.readNodePool(karpenter.nodePool, signal);
  if (pool === null) {
    return {
      kind: 'missing',
      detail: `there is no NodePool ${karpenter.nodePool} (karpenter.sh/v1); name it in provisioning.karpenter.nodePool`,
    };
  }
  const { value, owner, mark, stored, refusal, spec } = read(pool);
  const other = pool.metadata.annotations?.[ACCOUNT];
  const claimed =
    other === undefined || other === account
      ? null
      : `NodePool ${karpenter.nodePool} is written for account ${other}; where that is over: kubectl annotate nodepool ${karpenter.nodePool} ${ACCOUNT}-`;
  return {
    kind: 'open',
    now: { value, owner, reportedOwner: owner, mark },
    stored,
    refusal: claimed ?? refusal,
    write: (annotations) =>
      provision.patchNodePool(
        karpenter.nodePool,
        {
          metadata: {
            resourceVersion: pool.metadata.resourceVersion,
            annotations: { ...annotations, [ACCOUNT]: account },
          },
          spec,
        },
        writeAs.manager,
        signal,
      ),
  };
}
