import { z } from 'zod';
import { HeadroomError } from '../../domain/errors.js';
import type { Store } from '../port.js';
import type { WorkloadKind } from './templates.js';

/** Where a workload stands in its cluster. */
export interface Place {
  namespace: string;
  name: string;
  kind: WorkloadKind;
}

/** @throws HeadroomError `not-found` where the account has no such workload. */
export type Locate = (account: string, workloads: readonly string[]) => Promise<Map<string, Place>>;

/** By the defaults of the account file: the account's name is the namespace, the workload's that of a Deployment. */
export const locateByName: Locate = (account, workloads) =>
  Promise.resolve(new Map(workloads.map((name) => [name, { namespace: account, name, kind: 'Deployment' as const }])));

/** Of a policy, what says where its workloads stand. */
const policySchema = z.looseObject({
  workloads: z.array(
    z.looseObject({
      name: z.string(),
      target: z.looseObject({
        kind: z.enum(['Deployment', 'StatefulSet']),
        namespace: z.string().optional(),
        name: z.string().optional(),
      }),
    }),
  ),
});

/**
 * By the targets of the account's newest policy in the store, where `observe` writes it before it reads. A workload that
 * the newest one no longer has is looked for in those before: a change that touched it may still be verified.
 */
export function locateByPolicy(store: Pick<Store, 'listRecords'>): Locate {
  return async (account, workloads) => {
    const records = await store.listRecords('account', account, { limit: 5 });
    const places = new Map<string, Place>();
    for (const { body } of [...records].reverse()) {
      const policy = policySchema.safeParse(body);
      if (!policy.success) continue;
      for (const { name, target } of policy.data.workloads) {
        places.set(name, { namespace: target.namespace ?? account, name: target.name ?? name, kind: target.kind });
      }
    }
    const missing = workloads.filter((name) => !places.has(name));
    if (missing.length === 0) return places;
    throw new HeadroomError({
      kind: 'not-found',
      component: 'telemetry/prometheus',
      action: `finding ${missing.slice(0, 3).join(', ')} of ${account}`,
      problem: 'no policy in the store names it',
      remedy: 'was the store replaced? the account sends its policy again with its next cycle',
    });
  };
}
