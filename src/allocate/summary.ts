import { PREFETCH, type NumberReason, type Plan, type PlanSummary } from '../domain/plan.js';
import { fieldName } from '../domain/change.js';
import { proposalWords } from '../domain/migration-proposal.js';

/** Bytes of JSON that a summary may have: it travels through a workflow's history at every cycle. */
const MOST_BYTES = 4096;

/**
 * What of a plan travels through a history. The fields are all there, since the change is made from them; reasons are
 * cut to the essential, those of the fields first, and left out from the end until the whole is small enough.
 */
export function summarizePlan(plan: Plan): PlanSummary {
  const written = new Set(
    plan.fields.map((field) =>
      field.target.field === 'floor' ? `${field.target.workload}.replicas` : fieldName(field.target),
    ),
  );
  const essential = (reason: NumberReason): NumberReason => ({
    ...reason,
    binding: { ...reason.binding, words: cut(reason.binding.words, 100) },
    rejected: reason.rejected.slice(0, 1),
  });
  // Names of data sets are labels of people's work: they stay in the record, which can be erased.
  const own = plan.reasons.filter(({ binding }) => binding.constraint !== PREFETCH);
  const order = [
    ...own.filter((reason) => written.has(reason.number)),
    ...own.filter((reason) => !written.has(reason.number)),
  ].map(essential);
  const { id, at, verdict, costPerHour, currency, conflict } = plan;
  const summary: PlanSummary = {
    id,
    at,
    verdict: { ...verdict, detail: cut(verdict.detail, 240) },
    fields: plan.fields.map((field) => ({ ...field, reason: cut(field.reason, 100) })),
    costPerHour,
    currency,
    conflict:
      conflict === null
        ? null
        : {
            set: conflict.set.slice(0, 6).map((one) => ({ ...one, words: cut(one.words, 120) })),
            gaveUp: cut(conflict.gaveUp, 240),
          },
    ...proposedIn(plan),
    reasons: order,
  };
  const fits = (): boolean => Buffer.byteLength(JSON.stringify(summary)) <= MOST_BYTES;
  // First the alternatives go, from the least important end, then the reasons themselves.
  for (let index = summary.reasons.length - 1; index >= 0 && !fits(); index--) {
    const reason = summary.reasons[index];
    if (reason !== undefined) summary.reasons[index] = { ...reason, rejected: [] };
  }
  while (summary.reasons.length > 0 && !fits()) summary.reasons.pop();
  if (!fits()) summary.fields = summary.fields.map((field) => ({ ...field, reason: cut(field.reason, 24) }));
  return summary;
}

/** Those that nothing stands against. */
function proposedIn({ migrations = [], currency }: Plan): Pick<PlanSummary, 'moves'> {
  const proposed = migrations.filter(({ refusals }) => refusals.length === 0);
  if (proposed.length === 0) return {};
  return {
    moves: proposed.map((one) => {
      const { workload, from, to, confidence } = one;
      return { workload, from, to, confidence, words: cut(proposalWords(one, currency), 240) };
    }),
  };
}

const cut = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);
