import { isoTime } from '../src/domain/time.js';
import type { FleetState } from './fleet-messages.js';

/** What the Temporal UI shows of the fleet, a line each (Markdown); nothing without one. */
export function fleetLines(state: FleetState | null): string[] {
  if (state === null) return [];
  const { policy, revision, cycle, phase, plan, grants, sized, problem, nextCycleAt, commitments, log } = state;
  const lines = [
    '',
    `**${policy.fleet}** · ${policy.mode} · file ${revision} · cycle ${cycle} · ${phase}`,
    `**Next** cycle at ${isoTime(nextCycleAt)}`,
  ];
  if (problem !== null) lines.push(`**Problem** ${problem}`);
  if (plan !== null) {
    const { id, accounts, unknown, short, costPerHour, currency, gap, status } = plan;
    lines.push(
      `**Plan** ${id} · ${status} · ${Number(costPerHour.toPrecision(4))} ${currency}/h · gap ${(100 * gap).toFixed(2)} % · ` +
        `${accounts} accounts, ${unknown} of unknown demand, ${short} get less than they need`,
    );
    if (plan.conflict !== null) lines.push(`**Conflict** ${plan.conflict}`);
    for (const held of plan.held) lines.push(`- ${held}`);
  }
  if (grants !== null) lines.push(`**Grants** ${grants.count} until ${isoTime(grants.until)}`);
  if (sized !== null) lines.push(`**Sized** ${sized.changeId}: ${sized.lines.slice(0, 5).join('; ')}`);
  if (commitments !== undefined) {
    lines.push(`**Commitments** of ${isoTime(commitments.at)}: ${commitments.lines.join('; ')}`);
  }
  return [...lines, ...log.map((entry) => `- ${isoTime(entry.at)} ${entry.text}`)];
}
