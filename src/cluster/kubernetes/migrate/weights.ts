import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../objects.js';

/*
 * Weights of an HTTPRoute's backends. A rule that leads to the source's Service leads to the copy's besides, the two sharing
 * what the source alone had; backends that are none of ours keep their share.
 * https://gateway-api.sigs.k8s.io/reference/spec/#httpbackendref
 */

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const refsOf = (rule: unknown): JsonObject[] =>
  isObject(rule) && Array.isArray(rule['backendRefs']) ? rule['backendRefs'].filter(isObject) : [];

const isService = (ref: JsonObject, service: string, namespace: string): boolean =>
  ref['name'] === service &&
  (ref['kind'] ?? 'Service') === 'Service' &&
  (ref['group'] ?? '') === '' &&
  (ref['namespace'] ?? namespace) === namespace;

const weightOf = (ref: JsonObject): number => (typeof ref['weight'] === 'number' ? ref['weight'] : 1);

/** Gateway API takes no larger one. */
const MOST_WEIGHT = 1_000_000;

/** Services of the namespace that the rules lead to. */
export const backendsOf = (rules: readonly unknown[], services: readonly string[], namespace: string): string[] =>
  services.filter((service) => rules.some((rule) => refsOf(rule).some((ref) => isService(ref, service, namespace))));

/** Whether weights can be split a hundredfold. */
export const fitsWeights = (rules: readonly unknown[]): boolean =>
  rules.every((rule) => refsOf(rule).every((ref) => weightOf(ref) * 100 <= MOST_WEIGHT));

/** @param copies the copy's Service by the source's. @param percent of the source's share that the copy gets; 0: as before. */
export function weighted(
  rules: readonly unknown[],
  copies: Readonly<Record<string, string>>,
  namespace: string,
  percent: number,
): unknown[] {
  if (percent === 0) return [...rules];
  return rules.map((rule) => {
    const refs = refsOf(rule);
    const ours = (ref: JsonObject): string | undefined =>
      Object.entries(copies).find(([service]) => isService(ref, service, namespace))?.[1];
    if (!isObject(rule) || !refs.some((ref) => ours(ref) !== undefined)) return rule;
    return {
      ...rule,
      backendRefs: refs.flatMap((ref) => {
        const copy = ours(ref);
        const weight = weightOf(ref);
        return copy === undefined
          ? [{ ...ref, weight: weight * 100 }]
          : [
              { ...ref, weight: weight * (100 - percent) },
              { ...ref, name: copy, weight: weight * percent },
            ];
      }),
    };
  });
}

/** What the API server fills in: a rule that was read is compared with one that was made as if it stood there, too. */
const DEFAULTS: readonly [string, unknown][] = [
  ['group', ''],
  ['kind', 'Service'],
  ['weight', 1],
];

const normal = (rules: readonly unknown[]): unknown =>
  rules.map((rule) =>
    isObject(rule)
      ? {
          ...rule,
          backendRefs: refsOf(rule).map((ref) => ({ ...Object.fromEntries(DEFAULTS), ...ref })),
        }
      : rule,
  );

export const sameRules = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  isDeepStrictEqual(normal(a), normal(b));

/** The share of the copy, in percent, that rules lead to it now, whoever wrote them: the largest of any rule. */
export function shareOfCopy(
  rules: readonly unknown[],
  copies: Readonly<Record<string, string>>,
  namespace: string,
): number {
  let share = 0;
  for (const rule of rules) {
    for (const [service, copy] of Object.entries(copies)) {
      const sum = (name: string): number =>
        refsOf(rule)
          .filter((ref) => isService(ref, name, namespace))
          .reduce((total, ref) => total + weightOf(ref), 0);
      const [there, here] = [sum(copy), sum(service)];
      if (there > 0) share = Math.max(share, (100 * there) / (there + here));
    }
  }
  return share;
}
