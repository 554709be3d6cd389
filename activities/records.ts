import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import type { Activities } from './types.js';

type Recording = Pick<Activities, 'recordContingency' | 'recordOutcome' | 'exportHistory'>;

/** What the loop leaves behind, each idempotent by its id. */
export function createRecords(deps: Dependencies): Recording {
  return {
    recordContingency: ({ account, contingency }) =>
      translated(() =>
        deps.store.putRecord({
          kind: 'contingency',
          id: contingency.changeId,
          account,
          at: contingency.recordedAt,
          body: contingency,
        }),
      ),
    recordOutcome: ({ account, outcome }) =>
      translated(() =>
        deps.store.putRecord({ kind: 'outcome', id: outcome.changeId, account, at: outcome.endedAt, body: outcome }),
      ),
    exportHistory: ({ account, workflowId, at }) =>
      translated(async () => {
        const body = await deps.histories.fetch(workflowId);
        await deps.store.putRecord({ kind: 'history', id: workflowId, account, at, body });
      }),
  };
}
