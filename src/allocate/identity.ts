import { createHash } from 'node:crypto';
import type { AllocationInput } from './problem.js';

/** JSON with keys in order, so that equal content has equal text. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((one) => (one === undefined ? 'null' : canonical(one))).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const parts: string[] = [];
  for (const [key, inner] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    if (inner !== undefined) parts.push(`${JSON.stringify(key)}:${canonical(inner)}`);
  }
  return `{${parts.join(',')}}`;
}

/** The first 16 hex digits of the content's SHA-256. */
export const contentId = (value: unknown): string =>
  createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16);

/** Policies are the largest part of an input and stay the same objects from cycle to cycle. */
const policyTexts = new WeakMap<object, string>();

/** The id of all that a plan is made from: its basis is not part of it, since that is no fact. */
export function inputId(input: AllocationInput): string {
  const { policy, demand, basis: _, ...rest } = input;
  let text = policyTexts.get(policy);
  if (text === undefined) policyTexts.set(policy, (text = canonical(policy)));
  const hash = createHash('sha256').update(text).update(canonical(rest));
  for (const { workload, component, level, farLevel, blocks } of demand) {
    const amounts = new Float64Array(blocks.length * 4 + 2);
    amounts[0] = level;
    amounts[1] = farLevel;
    let at = 2;
    for (const block of blocks) {
      amounts[at++] = block.lower;
      amounts[at++] = block.median;
      amounts[at++] = block.atLevel;
      amounts[at++] = block.far;
    }
    hash.update(`${workload}/${component}/${blocks.length}/`).update(new Uint8Array(amounts.buffer));
  }
  return hash.digest('hex').slice(0, 16);
}
