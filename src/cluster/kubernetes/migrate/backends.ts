import type { JsonObject } from '../objects.js';

/*
 * Weights of an HTTPRoute between two clusters: what leads to the source, and one backend that leads to the target, a Service
 * or a ServiceImport (GEP-1748). https://gateway-api.sigs.k8s.io/geps/gep-1748/
 */

export interface Backend {
  kind: 'Service' | 'ServiceImport';
  name: string;
}

const GROUPS = { Service: '', ServiceImport: 'multicluster.x-k8s.io' } as const;
/** Gateway API takes no larger one. */
const MOST_WEIGHT = 1_000_000;

/** `web-west`, `ServiceImport/web-west`. */
export function readBackend(text: string): Backend {
  const [kind, name] = text.split('/');
  return name === undefined
    ? { kind: 'Service', name: text }
    : { kind: kind === 'ServiceImport' ? kind : 'Service', name };
}

export const backendWords = ({ kind, name }: Backend): string => `${kind} ${name}`;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const refsOf = (rule: unknown): JsonObject[] =>
  isObject(rule) && Array.isArray(rule['backendRefs']) ? rule['backendRefs'].filter(isObject) : [];
const weightOf = (ref: JsonObject): number => (typeof ref['weight'] === 'number' ? ref['weight'] : 1);

const isTo =
  (namespace: string) =>
  (ref: JsonObject, { kind, name }: Backend): boolean =>
    ref['name'] === name &&
    (ref['kind'] ?? 'Service') === kind &&
    (ref['group'] ?? '') === GROUPS[kind] &&
    (ref['namespace'] ?? namespace) === namespace;

const isAny = (namespace: string, backends: readonly Backend[]) => {
  const is = isTo(namespace);
  return (ref: JsonObject): boolean => backends.some((backend) => is(ref, backend));
};

export const leadsTo = (rules: readonly unknown[], backends: readonly Backend[], namespace: string): boolean =>
  rules.some((rule) => refsOf(rule).some(isAny(namespace, backends)));

/** Whether weights can be split a hundredfold. */
export const fitsHundredfold = (rules: readonly unknown[]): boolean =>
  rules.every((rule) => refsOf(rule).every((ref) => weightOf(ref) * 100 <= MOST_WEIGHT));

const turnedTo = (ref: JsonObject, { kind, name }: Backend, weight: number): JsonObject => {
  const { namespace: _namespace, ...rest } = ref;
  return { ...rest, group: GROUPS[kind], kind, name, weight };
};

/**
 * The rules with so much of what leads to the source led to the target; backends that are neither keep their share.
 * @param percent 0: as before. `settled`: all of it, and nothing that leads to the source is left.
 */
export function splitBetween(
  rules: readonly unknown[],
  { from, to, namespace }: { from: readonly Backend[]; to: Backend; namespace: string },
  percent: number | 'settled',
): unknown[] {
  if (percent === 0) return [...rules];
  const ours = isAny(namespace, from);
  return rules.map((rule) => {
    const refs = refsOf(rule);
    if (!isObject(rule) || !refs.some(ours)) return rule;
    if (percent === 'settled') {
      return { ...rule, backendRefs: refs.map((ref) => (ours(ref) ? turnedTo(ref, to, weightOf(ref)) : ref)) };
    }
    return {
      ...rule,
      backendRefs: refs.flatMap((ref) => {
        const weight = weightOf(ref);
        return ours(ref)
          ? [{ ...ref, weight: weight * (100 - percent) }, turnedTo(ref, to, weight * percent)]
          : [{ ...ref, weight: weight * 100 }];
      }),
    };
  });
}

/** The share of the target, in percent, that rules lead to it now, whoever wrote them: the largest of any rule. */
export function shareOf(
  rules: readonly unknown[],
  { from, to, namespace }: { from: readonly Backend[]; to: Backend; namespace: string },
): number {
  let share = 0;
  for (const rule of rules) {
    const sum = (backends: readonly Backend[]): number =>
      refsOf(rule)
        .filter(isAny(namespace, backends))
        .reduce((total, ref) => total + weightOf(ref), 0);
    const [there, here] = [sum([to]), sum(from)];
    if (there > 0) share = Math.max(share, (100 * there) / (there + here));
  }
  return share;
}
