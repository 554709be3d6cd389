import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { CompareResult, CrownInput, RetrainActivities } from '../../activities/retrain-types.js';
import type { RetrainSettings } from '../../workflows/retrain-messages.js';

const DAY = 86_400;

export const settingsOf = (more: Partial<RetrainSettings> = {}): RetrainSettings => ({
  kinds: ['booster'],
  every: 7 * DAY,
  days: 28,
  holdOut: 2 * DAY,
  shadow: DAY,
  levels: [0.5, 0.9],
  horizon: 7200,
  seed: 1,
  mostSeries: 500,
  ...more,
});

/** A stack names files of this machine, and histories of these fakes are committed. */
function withoutStack<T extends Error>(error: T): T {
  error.stack = '';
  return error;
}

type Name = keyof RetrainActivities;

export interface RetrainFakes extends RetrainActivities {
  calls: { name: Name; input: unknown; at: number }[];
  crowned: CrownInput[];
  /** What each comparison says, in order; then `worse`. */
  verdicts: CompareResult[];
  failNext: Partial<Record<Name, string[]>>;
  /** Until it is set to false, a fit goes on and on, and ends when cancelled. */
  training: boolean;
  /** The same of a search. */
  searching: boolean;
  series: number;
  cancelled: number;
}

export const verdictOf = (verdict: CompareResult['verdict'], champion: string | null = 'c0ffee'): CompareResult => ({
  verdict,
  champion,
  ratio: 0.9,
  units: 20,
  detail: `it is ${verdict}`,
});

/** Recording activities: what the workflow asks for, and when. */
export function createRetrainFakes(now: () => number = Date.now): RetrainFakes {
  const record = (name: Name, input: unknown): void => {
    fakes.calls.push({ name, input, at: now() });
    const message = fakes.failNext[name]?.shift();
    if (message !== undefined) {
      const nonRetryable = message.startsWith('final');
      throw withoutStack(ApplicationFailure.create({ type: 'unavailable', message, nonRetryable }));
    }
  };
  const whileTrue = async (busy: () => boolean): Promise<void> => {
    while (busy()) {
      heartbeat({ done: 0.5, note: 'tree 10 of 20' });
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (!cancellationSignal().aborted) continue;
      fakes.cancelled++;
      throw withoutStack(new CancelledFailure('the fit was cancelled'));
    }
  };
  let models = 0;
  const fakes: RetrainFakes = {
    calls: [],
    crowned: [],
    verdicts: [],
    failNext: {},
    training: false,
    searching: false,
    series: 4,
    cancelled: 0,
    async gather(input) {
      record('gather', input);
      return { dataId: 'd1', series: fakes.series, accounts: 2, left: 0, from: input.at - 28 * DAY, to: input.at };
    },
    async search(input) {
      record('search', input);
      await whileTrue(() => fakes.searching);
      return { searchId: 's1', detail: `${input.fits} of ${input.fits} fits: booster first with loss 0.1` };
    },
    async train(input) {
      record('train', input);
      await whileTrue(() => fakes.training);
      return { id: String(++models).repeat(64).slice(0, 64), bytes: 1000, wql: 0.1 };
    },
    async compare(input) {
      record('compare', input);
      return fakes.verdicts.shift() ?? verdictOf('worse');
    },
    async crown(input) {
      record('crown', input);
      fakes.crowned.push(input);
    },
    async tidy(input) {
      record('tidy', input);
      return { removed: 0 };
    },
  };
  return fakes;
}
