import { proxyActivities, setCurrentDetails, setHandler, setWorkflowOptions } from '@temporalio/workflow';
import type { CellTrained, FederateActivities, FederationPlan } from '../activities/federate-types.js';
import { meanUpdate, packUpdate, unpackUpdate, type UpdatePart } from '../src/domain/federated.js';
import { NON_RETRYABLE } from './activities.js';
import { cellQueue, federateStatusQuery, type FederateInput, type FederateResult } from './federate-messages.js';

type At = (cell: string, summary: string) => FederateActivities;

const within =
  (answerWithin: number): At =>
  (cell, summary) =>
    proxyActivities<FederateActivities>({
      taskQueue: cellQueue(cell),
      startToCloseTimeout: '1h',
      scheduleToStartTimeout: answerWithin * 1000,
      heartbeatTimeout: '30s',
      retry: {
        initialInterval: '1s',
        maximumInterval: '1m',
        maximumAttempts: 5,
        nonRetryableErrorTypes: NON_RETRYABLE,
      },
      summary,
    });

/**
 * One network from cells whose data stay where they are (McMahan et al. 2017): each round every cell takes some steps from
 * the shared weights, and gives back a clipped and noised update; the mean moves the weights on, in each cell.
 */
export async function federate(input: FederateInput): Promise<FederateResult> {
  const { plan, cells, rounds, leastCells } = input;
  const at = within(input.answerWithin);
  const means: UpdatePart[][] = [];
  const done: FederateResult['rounds'] = [];
  let steps: [number, number] = [Number.POSITIVE_INFINITY, 0];
  setHandler(federateStatusQuery, () => ({ round: means.length, rounds: done }));
  for (let round = 0; round < rounds; round++) {
    setCurrentDetails(`**${plan.id}** round ${round + 1} of ${rounds} over ${cells.join(', ')}`);
    const answers = await Promise.allSettled(cells.map((cell) => trainCell(at, cell, plan, round, means)));
    const given = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    if (given.length < leastCells) throw firstReason(answers);
    const mean = meanUpdate(given.map(({ parts, bins }) => ({ update: unpackUpdate(parts), weight: bins })));
    means.push(packUpdate(mean));
    steps = [
      Math.min(steps[0], ...given.map((one) => one.steps[0])),
      Math.max(steps[1], ...given.map((one) => one.steps[1])),
    ];
    done.push({ cells: given.length, loss: given.reduce((sum, { loss }) => sum + loss, 0) / given.length });
  }
  const ends = await Promise.allSettled(
    cells.map(async (cell) => {
      await bringUp(at, cell, plan, means);
      const end = await at(cell, 'the artifact').finishFederation({ plan, rounds, steps });
      return { cell, end };
    }),
  );
  const artifacts: FederateResult['artifacts'] = {};
  for (const one of ends) if (one.status === 'fulfilled') artifacts[one.value.cell] = one.value.end;
  if (Object.keys(artifacts).length < leastCells) throw firstReason(ends);
  return { artifacts, rounds: done };
}
setWorkflowOptions({ versioningBehavior: 'PINNED' }, federate);

function firstReason(answers: readonly PromiseSettledResult<unknown>[]): unknown {
  return answers.find((answer) => answer.status === 'rejected')?.reason;
}

/** A cell that was away, or lost its disk, is given what it missed. */
async function bringUp(at: At, cell: string, plan: FederationPlan, means: readonly UpdatePart[][]): Promise<void> {
  const { round } = await at(cell, 'which round it has').cellRound({ plan });
  for (let missed = round; missed < means.length; missed++) {
    const parts = means[missed] ?? [];
    for (const [part, value] of parts.entries()) {
      await at(cell, `mean of round ${missed + 1}`).applyPart({
        plan,
        round: missed,
        part,
        parts: parts.length,
        value,
      });
    }
  }
}

async function trainCell(
  at: At,
  cell: string,
  plan: FederationPlan,
  round: number,
  means: readonly UpdatePart[][],
): Promise<Omit<CellTrained, 'parts'> & { parts: UpdatePart[] }> {
  await bringUp(at, cell, plan, means);
  const { parts: count, bins, loss, steps } = await at(cell, `round ${round + 1}`).cellTrain({ plan, round });
  const parts: UpdatePart[] = [];
  for (let part = 0; part < count; part++) {
    parts.push(await at(cell, `update of round ${round + 1}`).cellPart({ plan, round, part }));
  }
  return { parts, bins, loss, steps };
}
