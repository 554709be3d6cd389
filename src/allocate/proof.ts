import { raises } from '../domain/change.js';
import type { Plan } from '../domain/plan.js';
import { checkPlan } from './checker/index.js';
import type { AllocationInput } from './problem.js';

/** Breaches that a plan's record holds; more of them say nothing new. */
const MOST = 20;
/** Limits on what is spent or shared: a plan that breaks one may not raise either. */
const SPENDING = new Set(['budget', 'maximum', 'pool-maximum', 'grant', 'quota', 'room']);

/**
 * The plan with what the checker says of it. A limit that is broken without the plan's own saying so is a mistake of the
 * optimizer: then nothing is lowered on this plan, and where it would spend what is not there nothing is written at all.
 */
export function proofed(input: AllocationInput, plan: Plan): Plan {
  const { ok, breaches } = checkPlan(input, plan);
  const check = {
    ok,
    broken: breaches.length,
    breaches: breaches.slice(0, MOST).map(({ limit, words, declared }) => ({ limit, words, declared })),
  };
  if (ok) return { ...plan, check };
  const wrong = breaches.filter((breach) => !breach.declared);
  const spends = wrong.some((breach) => SPENDING.has(breach.limit));
  const fields = spends ? [] : plan.fields.filter(raises);
  const words = `the plan does not keep its limits (${wrong[0]?.words ?? ''}): ${spends ? 'nothing is written' : 'nothing is lowered'}`;
  const detail = `${words}; please report it with headroom plan --json`;
  return {
    ...plan,
    check,
    fields,
    verdict:
      fields.length === 0
        ? { kind: 'hold', reason: 'failed', detail }
        : { ...plan.verdict, detail: `${plan.verdict.detail}; ${detail}` },
  };
}
