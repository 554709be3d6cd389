import type { SearchAttributePair } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { fieldName } from '../src/domain/change.js';
import { isoTime, type EpochSeconds } from '../src/domain/time.js';
import { ATTRIBUTES } from './attributes.js';
import type { AccountState } from './state.js';

/* What the Temporal UI shows, so that it alone answers: what is it doing, why, what next. */

/** The account's phase in one word, coarse enough that an upsert (one history event) stays rare. */
export function phaseWord(state: AccountState): string {
  if (state.attention !== null) return 'needs-attention';
  if (state.phase === 'stopping') return 'stopping';
  if (state.change !== null) return 'changing';
  if (state.approval !== null) return 'awaiting-approval';
  if (state.verdict?.kind === 'hold') return state.verdict.reason;
  return state.cycle === 0 ? 'starting' : 'steady';
}

/** Lowest coverage of the account's series: the one that an operator has to look at; null before any is scored. */
export function worstCoverage(state: AccountState): number | null {
  const known = state.learnt.coverage.flatMap((entry) => (entry.coverage === null ? [] : [entry.coverage]));
  return known.length === 0 ? null : Math.min(...known);
}

const round = (value: number, digits: number): number => Number(value.toPrecision(digits));

/** A figure is written again once it has moved by so much, relatively: to sort and filter by, that is exact enough. */
const MOVED: Record<string, number> = { [ATTRIBUTES.costPerHour.name]: 0.02, [ATTRIBUTES.coverage.name]: 0.002 };

const same = (name: string, before: unknown, now: unknown): boolean =>
  typeof before === 'number' && typeof now === 'number'
    ? Math.abs(now - before) <= (MOVED[name] ?? 0) * Math.abs(before)
    : before === now;

/** Remembers what was written, and writes only what is different: every upsert is an event of the history. */
export function createAttributeWriter(): (state: AccountState) => void {
  const written = new Map<string, unknown>();
  return (state) => {
    const coverage = worstCoverage(state);
    const pairs: SearchAttributePair[] = [
      { key: ATTRIBUTES.phase, value: phaseWord(state) },
      { key: ATTRIBUTES.mode, value: state.policy.mode },
      { key: ATTRIBUTES.paused, value: state.pause !== null },
    ];
    if (coverage !== null) pairs.push({ key: ATTRIBUTES.coverage, value: round(coverage, 3) });
    if (state.plan !== null) pairs.push({ key: ATTRIBUTES.costPerHour, value: round(state.plan.costPerHour, 3) });
    const fresh = pairs.filter((pair) => !same(pair.key.name, written.get(pair.key.name), pair.value));
    if (fresh.length === 0) return;
    for (const pair of fresh) written.set(pair.key.name, pair.value);
    upsertSearchAttributes(fresh);
  };
}

/** One line: what it does and why. */
export function summaryLine(state: AccountState): string {
  if (state.attention !== null) return `needs attention: ${state.attention}`;
  if (state.change !== null) return `change ${state.change.changeId} is running`;
  if (state.approval !== null) return `plan ${state.approval.planId} waits for approval`;
  if (state.verdict === null) return 'first cycle';
  return state.verdict.kind === 'hold'
    ? `holds (${state.verdict.reason}): ${state.verdict.detail}`
    : `acted: ${state.verdict.detail}`;
}

/** The page that the Temporal UI shows as the workflow's current details (Markdown). */
export function showDetails(state: AccountState, next: EpochSeconds | null): void {
  const lines = [
    `**${state.account}** · ${state.policy.mode} · ${state.policy.ownership} · policy revision ${state.revision}`,
    `**Now** ${state.phase} (cycle ${state.cycle}) — ${summaryLine(state)}`,
  ];
  if (next !== null) lines.push(`**Next** cycle at ${isoTime(next)}`);
  if (state.pause !== null) {
    lines.push(`**Paused** by ${state.pause.author} until ${isoTime(state.pause.until)}: ${state.pause.reason}`);
  }
  if (state.freeze !== null) {
    lines.push(`**Frozen** by ${state.freeze.author} until ${isoTime(state.freeze.until)}: ${state.freeze.reason}`);
  }
  if (state.grant !== undefined && state.grant !== null) {
    const { source, until, words } = state.grant;
    const end = until === null ? '' : ` until ${isoTime(until)}`;
    lines.push(source === 'fleet' ? `**Grant** of the fleet${end}: ${words}` : `**Guaranteed share** ${words}`);
  }
  for (const override of state.overrides) {
    lines.push(
      `**Override** ${override.id} by ${override.author} until ${isoTime(override.until)}: ${override.reason}`,
    );
  }
  if (state.plan !== null) {
    const fields = state.plan.fields.map((field) => `${fieldName(field.target)} → ${field.target.value}`).join(', ');
    lines.push(
      `**Plan** ${state.plan.id} · ${round(state.plan.costPerHour, 4)} ${state.plan.currency}/h` +
        (fields === '' ? '' : ` · ${fields}`),
    );
  }
  for (const entry of state.forecast) {
    lines.push(
      `- ${entry.workload}/${entry.component}: ${round(entry.median, 3)} expected, ${round(entry.atLevel, 3)} at ` +
        `${entry.level}${entry.open ? '' : ` — gate closed: ${entry.reason ?? 'coverage'}`}`,
    );
  }
  lines.push('', ...state.log.map((entry) => `- ${isoTime(entry.at)} ${entry.text}`));
  setCurrentDetails(lines.join('\n'));
}
