import type { V1Node } from '@kubernetes/client-node';
import { z } from 'zod';
import { parseQuantity } from '../../../domain/component.js';
import type { MoveRequest } from '../../migrating.js';
import { NODE_POOL_LABEL } from '../read/pools.js';
import type { SeenWorkload } from './seen.js';

const requestsSchema = z
  .object({ resources: z.object({ requests: z.record(z.string(), z.union([z.string(), z.number()])) }) })
  .transform(({ resources }) => resources.requests);

/**
 * Why no replica would fit an empty node of the target: pods would wait for as long as the migration lets them. Null where one
 * would, or where nobody can say: no node is there yet, or Karpenter makes nodes of the size that a pod wants.
 */
export function roomProblem(
  source: SeenWorkload,
  nodes: readonly V1Node[],
  { at, nodeSelector }: Pick<MoveRequest, 'at' | 'nodeSelector'>,
): string | null {
  if (nodes.length === 0 || NODE_POOL_LABEL in nodeSelector) return null;
  const wanted = new Map<string, number>();
  for (const container of source.spec.template.spec.containers) {
    for (const [name, amount] of Object.entries(requestsSchema.safeParse(container).data ?? {})) {
      wanted.set(name, (wanted.get(name) ?? 0) + parseQuantity(amount));
    }
  }
  const lacks = [...wanted].filter(([name, amount]) => nodes.every((node) => amount > offered(node, name)));
  if (lacks.length > 0) {
    const words = lacks.map(
      ([name, amount]) =>
        `${amount} ${name}, and the largest offers ${Math.max(...nodes.map((node) => offered(node, name)))}`,
    );
    return `a replica of ${at.namespace}/${at.name} fits no node of the target: it asks for ${words.join('; ')}; name a pool with larger nodes`;
  }
  const fitting = nodes.some((node) => [...wanted].every(([name, amount]) => amount <= offered(node, name)));
  return fitting
    ? null
    : `a replica of ${at.namespace}/${at.name} fits no node of the target: none has room for all that it asks for; name a pool with larger nodes`;
}

/** What a node does not say that it offers is not asked of it. */
function offered({ status }: V1Node, name: string): number {
  const amount = status?.allocatable?.[name];
  return amount === undefined ? Number.POSITIVE_INFINITY : parseQuantity(amount);
}
