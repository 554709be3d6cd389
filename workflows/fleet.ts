import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  setCurrentDetails,
  setHandler,
  setWorkflowOptions,
  upsertMemo,
  workflowInfo,
} from '@temporalio/workflow';
import { FREEZE_MEMO, type Freeze } from '../src/domain/control.js';
import { differences } from '../src/domain/differences.js';
import type { FleetPolicy } from '../src/domain/fleet.js';
import { fleetProblems } from '../src/domain/fleet-rules.js';
import { isoTime, simulatedNow, wallMilliseconds } from '../src/domain/time.js';
import { fleetLight } from './fleet-activities.js';
import { noteFleet, runFleetCycle, type FleetRun } from './fleet-cycle.js';
import { fleetLines } from './fleet-display.js';
import { fleetStatusQuery, setFleetUpdate, stopFleetUpdate, type FleetState } from './fleet-messages.js';
import { freezeSignal, unfreezeSignal, type FleetInput } from './messages.js';
import { reasonOf } from './reason.js';

/**
 * All accounts at once. Holds the freeze, and lets it expire; with a fleet file it also goes through the fleet's cycle,
 * beside which a freeze still takes effect at once.
 */
export async function fleet(input: FleetInput): Promise<void> {
  const now = (): number => simulatedNow(input.scale, Date.now());
  let freeze: Freeze | null = input.freeze;
  let state: FleetState | null = input.fleet ?? null;
  let changed = true;
  /** The memo is written anew at each word of a freeze, and at the end of one. */
  let fenceMoved = true;
  let cycle: Promise<void> | null = null;
  let broken: { error: unknown } | null = null;
  setHandler(freezeSignal, (next) => {
    freeze = next;
    fenceMoved = changed = true;
  });
  setHandler(unfreezeSignal, () => {
    freeze = null;
    fenceMoved = changed = true;
  });
  const run = (of: FleetState): FleetRun => ({
    state: of,
    now,
    freeze: () => (freeze !== null && freeze.until > now() ? freeze : null),
    policyUnsent: true,
    superseded: (fleetId) => state?.fleetId !== fleetId,
    recommends: input.recommends === true,
  });
  let running: FleetRun | null = state === null ? null : run(state);
  setHandler(
    setFleetUpdate,
    ({ policy, author, queues }) => {
      const revision = (state?.revision ?? 0) + 1;
      if (state !== null && differences(state.policy, policy).length === 0) return { revision: state.revision };
      const fleetId = `${policy.fleet}@${revision}-${workflowInfo().runId.slice(0, 8)}${Math.round(now()).toString(36)}`;
      const before = state;
      state = {
        ...{ policy, queues, revision, fleetId, author },
        startedAt: before?.startedAt ?? now(),
        cycle: before?.cycle ?? 0,
        nextCycleAt: now(),
        phase: 'sleeping',
        plan: before?.plan ?? null,
        grants: before?.grants ?? null,
        sized: before?.sized ?? null,
        problem: null,
        log: before?.log ?? [],
        ...keptCommitments(before, policy),
      };
      noteFleet(state, now(), `${before === null ? 'started' : `file ${revision}`} by ${author}, mode ${policy.mode}`);
      running = run(state);
      changed = true;
      return { revision };
    },
    {
      validator: ({ policy }) => {
        // One fleet at a time: a file of another name would take over its pools and grants without a word.
        if (state !== null && state.policy.fleet !== policy.fleet) {
          throw ApplicationFailure.nonRetryable(otherFleet(state.policy.fleet, policy.fleet), 'conflict');
        }
        const [problem] = fleetProblems(policy);
        if (problem !== undefined) {
          throw ApplicationFailure.nonRetryable(`${problem.path.join('.')}: ${problem.problem}`, 'invalid-input');
        }
      },
    },
  );
  setHandler(stopFleetUpdate, async ({ author }) => {
    const ending = state;
    if (ending === null) return { stopped: false };
    // From here on no cycle writes: what is under way finds itself superseded.
    state = null;
    running = null;
    changed = true;
    const { fleetId, policy, queues, revision } = ending;
    try {
      await fleetLight(queues, `${policy.fleet} stopped by ${author}`).recordFleet({
        ...{ at: now(), policy, ended: true },
        fleetId: `${fleetId}/ended-${revision}`,
      });
    } catch (error) {
      throw ApplicationFailure.nonRetryable(`the end of the fleet is not on record: ${reasonOf(error)}`, 'unavailable');
    }
    return { stopped: true };
  });
  setHandler(fleetStatusQuery, () => {
    if (state === null) return { fleet: null, freeze };
    const { queues: _queues, ...rest } = state;
    return { fleet: { ...rest, now: now() }, freeze };
  });

  for (;;) {
    const current: Freeze | null = freeze !== null && (freeze as Freeze).until > now() ? freeze : null;
    if (freeze !== null && current === null) fenceMoved = true;
    freeze = current;
    if (fenceMoved) upsertMemo({ [FREEZE_MEMO]: current });
    fenceMoved = false;
    setCurrentDetails(
      [
        current === null
          ? 'not frozen'
          : `**frozen** by ${current.author} until ${isoTime(current.until)}: ${current.reason}`,
        ...fleetLines(state),
      ].join('\n'),
    );
    changed = false;
    if (broken !== null) throw (broken as { error: unknown }).error;
    if (workflowInfo().continueAsNewSuggested && cycle === null) {
      await condition(allHandlersFinished);
      const carried: FleetState | null = state;
      await continueAsNew<typeof fleet>({
        scale: input.scale,
        freeze,
        recommends: true,
        ...(carried === null ? {} : { fleet: carried }),
      });
    }
    const here = running as FleetRun | null;
    if (cycle === null && here !== null && here.state.nextCycleAt <= now() && !workflowInfo().continueAsNewSuggested) {
      here.state.nextCycleAt = nextCycle(now(), here.state.policy.cycle);
      cycle = runFleetCycle(here)
        .catch((error: unknown) => {
          broken = { error };
        })
        .finally(() => {
          cycle = null;
          changed = true;
        });
    }
    await untilNext(
      current,
      here !== null && cycle === null ? here.state.nextCycleAt : null,
      () => changed,
      () => (fenceMoved = true),
      input.scale,
      now,
    );
  }
}
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, fleet);

const otherFleet = (running: string, given: string): string =>
  `fleet ${running} is running, and this file is of fleet ${given}: nothing is changed; \`headroom fleet stop\` ends ` +
  `${running} first, or write \`fleet: ${running}\` in the file to go on by it`;

/** With other terms, or none, the last recommendation is none any more: the next cycle makes one. */
const keptCommitments = (before: FleetState | null, policy: FleetPolicy): Pick<FleetState, 'commitments'> =>
  before?.commitments === undefined ||
  differences(before.policy.commitments ?? null, policy.commitments ?? null).length > 0
    ? {}
    : { commitments: before.commitments };

/** The next boundary of the cycle: fleets of one cycle fall together with the accounts of the same. */
const nextCycle = (now: number, cycle: number): number => Math.floor(now / cycle) * cycle + cycle;

/** Sleeps until something changes, the freeze ends, or a cycle is due. */
async function untilNext(
  freeze: Freeze | null,
  due: number | null,
  changed: () => boolean,
  expired: () => void,
  scale: FleetInput['scale'],
  now: () => number,
): Promise<void> {
  const wall = (at: number): number => Math.max(1, Math.round(wallMilliseconds(scale, at - now())));
  if (freeze !== null && (due === null || freeze.until <= due)) {
    const woken = await condition(changed, wall(freeze.until), {
      summary: `freeze expires at ${isoTime(freeze.until)}`,
    });
    if (!woken) expired();
  } else if (due !== null) await condition(changed, wall(due), { summary: `next cycle at ${isoTime(due)}` });
  else await condition(changed);
}
