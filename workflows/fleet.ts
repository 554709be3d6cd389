import {
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
import { isoTime, simulatedNow, wallMilliseconds } from '../src/domain/time.js';
import { freezeSignal, unfreezeSignal, type FleetInput } from './messages.js';

/** All accounts at once. Holds the freeze, and lets it expire. */
export async function fleet(input: FleetInput): Promise<void> {
  const now = (): number => simulatedNow(input.scale, Date.now());
  let freeze: Freeze | null = input.freeze;
  let changed = true;
  setHandler(freezeSignal, (next) => {
    freeze = next;
    changed = true;
  });
  setHandler(unfreezeSignal, () => {
    freeze = null;
    changed = true;
  });
  for (;;) {
    const current: Freeze | null = freeze !== null && (freeze as Freeze).until > now() ? freeze : null;
    freeze = current;
    upsertMemo({ [FREEZE_MEMO]: current });
    setCurrentDetails(
      current === null
        ? 'not frozen'
        : `**frozen** by ${current.author} until ${isoTime(current.until)}: ${current.reason}`,
    );
    changed = false;
    if (workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished);
      await continueAsNew<typeof fleet>({ ...input, freeze });
    }
    if (current === null) await condition(() => changed);
    else {
      const wall = Math.max(1, Math.round(wallMilliseconds(input.scale, current.until - now())));
      await condition(() => changed, wall, { summary: `freeze expires at ${isoTime(current.until)}` });
    }
  }
}
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, fleet);
