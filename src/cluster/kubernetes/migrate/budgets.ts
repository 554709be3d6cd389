import { z } from 'zod';
import type { MoveRequest } from '../../migrating.js';
import { HEADROOM } from '../../fence.js';
import { ACCOUNT } from '../provision/labels.js';
import { apiVersionOf, DISRUPTION_BUDGET, type LiveObject } from '../objects.js';
import { serviceName } from './copy.js';
import { COPY, MADE_BY } from './kinds.js';
import { selectedBy, turned } from './labels.js';
import type { RestObjects } from './rest.js';
import { refOf, type Labels } from './seen.js';
import { isMadeBy, make } from './volumes.js';

/*
 * Disruption budgets: while both are there each side has its own, so that a drain of a node takes no more of the copy's pods
 * under traffic than of the source's. https://kubernetes.io/docs/tasks/run-application/configure-pdb/
 */

const expressionSchema = z.object({
  key: z.string(),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(z.string()).nullish(),
});
const budgetSchema = z.object({
  spec: z.looseObject({
    selector: z
      .object({
        matchLabels: z.record(z.string(), z.string()).nullish(),
        matchExpressions: z.array(expressionSchema).nullish(),
      })
      .nullish(),
  }),
  status: z.object({ disruptionsAllowed: z.number().default(0) }).prefault({}),
});

export interface Budget {
  object: LiveObject;
  /** What it says besides its selector. */
  bounds: Record<string, unknown>;
  labels: Labels;
  finds(pods: Labels): boolean;
  /** How many pods may go now. */
  allowed: number;
}

function seen(object: LiveObject): Budget {
  const { spec, status } = budgetSchema.parse(object);
  const { selector, ...bounds } = spec;
  const labels = selector?.matchLabels ?? {};
  const expressions = selector?.matchExpressions ?? [];
  const holds = ({ key, operator, values }: z.output<typeof expressionSchema>, pods: Labels): boolean => {
    const value = pods[key];
    if (operator === 'Exists' || operator === 'DoesNotExist') return (value !== undefined) === (operator === 'Exists');
    return (value !== undefined && (values ?? []).includes(value)) === (operator === 'In');
  };
  return {
    ...{ object, bounds, labels, allowed: status.disruptionsAllowed },
    finds: (pods) =>
      // Of policy/v1: an empty selector finds every pod of the namespace, none finds nothing.
      selector !== undefined &&
      selector !== null &&
      (Object.keys(labels).length === 0 || selectedBy(labels, pods)) &&
      expressions.every((one) => holds(one, pods)),
  };
}

/** Budgets of its namespace that count its pods. */
export async function budgetsOf(
  api: RestObjects,
  namespace: string,
  pods: Labels,
  signal: AbortSignal,
): Promise<Budget[]> {
  return (await api.list(DISRUPTION_BUDGET, namespace, signal)).map(seen).filter((budget) => budget.finds(pods));
}

/** Budgets like the source's for the copy's pods, where those do not count them; of the migration alone, until the hand-over. */
export async function makeBudgets(
  api: RestObjects,
  { source, copy }: { source: Labels; copy: Labels },
  request: MoveRequest,
  signal: AbortSignal,
): Promise<string | null> {
  const { namespace } = request.at;
  for (const { object, bounds, finds } of await budgetsOf(api, namespace, source, signal)) {
    if (finds(copy)) continue;
    const name = serviceName(object.metadata.name, request.copy);
    const body = {
      ...{ apiVersion: apiVersionOf(DISRUPTION_BUDGET), kind: DISRUPTION_BUDGET.kind },
      metadata: {
        ...{ name, namespace, annotations: { [MADE_BY]: request.id } },
        labels: { ...object.metadata.labels, [ACCOUNT]: request.account },
      },
      spec: { ...bounds, selector: { matchLabels: { [COPY]: request.copy } } },
    };
    const other = await make(api, refOf(DISRUPTION_BUDGET, namespace, name), body, request.id, HEADROOM, signal);
    if (other !== null) return other;
  }
  return null;
}

/**
 * At the hand-over the source's own budgets count the copy; then those that were made for it go. One whose expressions cannot
 * be turned keeps the one that was made, and is named.
 */
export async function turnBudgets(
  api: RestObjects,
  { source, copy, changed }: { source: Labels; copy: Labels; changed: Labels },
  request: MoveRequest,
  signal: AbortSignal,
): Promise<string[]> {
  const { namespace } = request.at;
  const told: string[] = [];
  const kept = new Set<string>();
  for (const budget of await budgetsOf(api, namespace, source, signal)) {
    const { object, labels, bounds } = budget;
    const { name, uid, resourceVersion } = object.metadata;
    if (budget.finds(copy)) continue;
    const wanted = turned(labels, changed);
    const would = seen({ ...object, spec: { ...bounds, selector: { ...selectorOf(object), matchLabels: wanted } } });
    if (!would.finds(copy)) {
      const own = serviceName(name, request.copy);
      kept.add(own);
      told.push(`budget ${name} selects by expressions: it stays as it is, and ${own} counts ${request.copy}`);
      continue;
    }
    const body = { metadata: { uid, resourceVersion }, spec: { selector: { matchLabels: wanted } } };
    await api.merge(refOf(DISRUPTION_BUDGET, namespace, name), body, HEADROOM, signal);
    told.push(`budget ${name} counts ${request.copy}`);
  }
  await removeBudgets(api, request, kept, signal);
  return told;
}

/** Those that the migration made, but for some. */
export async function removeBudgets(
  api: RestObjects,
  { at: { namespace }, id }: MoveRequest,
  but: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  for (const { metadata } of await madeBudgets(api, namespace, id, signal)) {
    if (!but.has(metadata.name)) {
      await api.remove(refOf(DISRUPTION_BUDGET, namespace, metadata.name), metadata.uid, signal);
    }
  }
}

export const madeBudgets = async (
  api: RestObjects,
  namespace: string,
  id: string,
  signal: AbortSignal,
): Promise<LiveObject[]> =>
  (await api.list(DISRUPTION_BUDGET, namespace, signal)).filter((object) => isMadeBy(object, id));

const selectorOf = (object: LiveObject) => budgetSchema.parse(object).spec.selector ?? {};
