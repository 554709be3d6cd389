import { HeadroomError } from '../domain/errors.js';
import { clairvoyantCapacities } from './policies/clairvoyant.js';
import { createHeadroomFloor } from './policies/headroom-floor.js';
import { createHeadroom } from './policies/headroom.js';
import { createHpa } from './policies/hpa.js';
import { createPercentile } from './policies/percentile.js';
import { createStaticPeak } from './policies/static-peak.js';
import { createYesterday } from './policies/yesterday.js';
import type { NamedPolicy, PolicyKind } from './policy.js';

interface Entry {
  /** How it is written: `hpa:U`. */
  form: string;
  says: string;
  /** Null where the argument is out of range. */
  make(argument: number | undefined): PolicyKind | null;
}

const between = (value: number | undefined, low: number, high: number): value is number =>
  value !== undefined && value > low && value <= high;

/** In the order in which help shows them. A new policy is one file under policies/ and one entry here. */
const POLICIES: Record<string, Entry> = {
  headroom: {
    form: 'headroom',
    says: 'owns the capacity: calibrated forecast at the level, reactive guard beneath',
    make: (argument) => (argument === undefined ? { kind: 'causal', create: (setup) => createHeadroom(setup) } : null),
  },
  'headroom-floor': {
    form: 'headroom-floor',
    says: 'raises a floor over hpa:0.5',
    make: (argument) =>
      argument === undefined ? { kind: 'causal', create: (setup) => createHeadroomFloor(setup) } : null,
  },
  hpa: {
    form: 'hpa:U',
    says: 'usage / U, tolerance 10 %, scale-down to the maximum of 5 minutes; 0 < U ≤ 1',
    make: (target) => (between(target, 0, 1) ? { kind: 'causal', create: (setup) => createHpa(setup, target) } : null),
  },
  yesterday: {
    form: 'yesterday:K',
    says: 'K × the same bin a day before; 0 < K ≤ 1000',
    make: (factor) =>
      between(factor, 0, 1000) ? { kind: 'causal', create: (setup) => createYesterday(setup, factor) } : null,
  },
  percentile: {
    form: 'percentile:P',
    says: 'P-th percentile of the last 8 days; 0 < P ≤ 100',
    make: (percentile) =>
      between(percentile, 0, 100) ? { kind: 'causal', create: (setup) => createPercentile(setup, percentile) } : null,
  },
  'static:peak': {
    form: 'static:peak',
    says: 'the peak of what is known at the end of the warm-up, for ever',
    make: (argument) => (argument === undefined ? { kind: 'causal', create: createStaticPeak } : null),
  },
  clairvoyant: {
    form: 'clairvoyant',
    says: 'demand itself: the cheapest without violations',
    make: (argument) =>
      argument === undefined
        ? { kind: 'clairvoyant', capacities: (demand, first) => clairvoyantCapacities(demand, first, 0) }
        : null,
  },
  'clairvoyant@': {
    form: 'clairvoyant@V',
    says: 'the cheapest capacity with a share V of violations; 0 ≤ V < 1',
    make: (share) =>
      share !== undefined && share >= 0 && share < 1
        ? { kind: 'clairvoyant', capacities: (demand, first) => clairvoyantCapacities(demand, first, share) }
        : null,
  },
};

/** Every policy as it is written and what it does, for help and errors. */
export const policyForms = (): { form: string; says: string }[] =>
  Object.values(POLICIES).map(({ form, says }) => ({ form, says }));

const refuse = (text: string, problem: string): HeadroomError =>
  new HeadroomError({
    kind: 'invalid-input',
    component: 'replay',
    action: `choosing the policy "${text}"`,
    problem,
    remedy: `there are: ${policyForms()
      .map(({ form }) => form)
      .join(', ')}`,
  });

/**
 * Reads `hpa:0.5`, `clairvoyant@0.01`, `headroom`.
 * @throws HeadroomError `invalid-input` that lists what exists.
 */
export function parsePolicy(text: string): NamedPolicy {
  const name = text.trim();
  const match = /^(static:peak|clairvoyant@|[a-z-]+)(?::?(.*))$/.exec(name);
  const entry = POLICIES[match?.[1] ?? ''];
  if (entry === undefined) throw refuse(text, 'there is no such policy');
  const rest = match?.[2] ?? '';
  const argument = rest === '' ? undefined : Number(rest);
  const policy = Number.isNaN(argument) ? null : entry.make(argument);
  if (policy === null) throw refuse(text, `it is written ${entry.form}: ${entry.says}`);
  return { name, ...policy };
}

/**
 * Reads a list, `headroom,hpa:0.5`.
 * @throws HeadroomError `invalid-input` where one is unknown or named twice.
 */
export function parsePolicies(text: string): NamedPolicy[] {
  const policies = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(parsePolicy);
  if (policies.length === 0) throw refuse(text, 'no policy is named');
  policies.forEach((policy, index) => {
    if (policies.findIndex((other) => other.name === policy.name) !== index) throw refuse(policy.name, 'named twice');
  });
  return policies;
}
