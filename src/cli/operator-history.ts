import { accountWorkflowId, FLEET_WORKFLOW_ID } from '../../workflows/messages.js';
import type { AnnouncedEvent, Override } from '../domain/control.js';
import { differences } from '../domain/differences.js';
import { someOf } from '../domain/some-of.js';
import { isoTime, simulatedNow, type EpochSeconds } from '../domain/time.js';
import { operatorActions, type OperatorAction } from '../temporal/operator-actions.js';
import { expectationWords, overrideWords } from './control-words.js';
import type { Session } from './session.js';

/** What somebody told an account, or all of them. `author` is null where the message names nobody. */
export interface Told {
  at: EpochSeconds;
  author: string | null;
  what: string;
  reason: string;
}

/** By the name of its message, what was done, in words; the values are those that the commands of that name send. */
export const OPERATOR_WORDS: Record<string, (input: Record<string, unknown>) => string> = {
  start: () => 'started',
  pause: (input) => `pause${until(input)}`,
  resume: () => 'resume',
  override: (input) => `override ${overrideWords(sent<Override>(input).target)}${until(input)}`,
  'clear-override': (input) => `override ${String(input['id'])} cleared`,
  announce: (input) => announceWords(sent<AnnouncedEvent>(input)),
  nudge: () => 'nudge',
  approve: (input) => `approved ${planOf(input)}`,
  reject: (input) => `rejected ${planOf(input)}`,
  'set-policy': () => 'policy set',
  stop: (input) => (input['restore'] === true ? 'stop --restore' : 'stop'),
};
const OF_ALL: typeof OPERATOR_WORDS = {
  freeze: (input) => `all accounts frozen${until(input)}`,
  unfreeze: () => 'all accounts unfrozen',
};

/** What a command of that name sends; {@link wordsOf} bears with what another version sent. */
const sent = <T>(input: unknown): T => input as T;
const until = (input: Record<string, unknown>): string =>
  typeof input['until'] === 'number' ? ` until ${isoTime(input['until'])}` : '';
const planOf = (input: Record<string, unknown>): string =>
  input['planId'] === undefined ? 'the plan' : `plan ${String(input['planId'])}`;
const announceWords = (event: AnnouncedEvent): string =>
  `announced ${event.name}: ${isoTime(event.from)} to ${isoTime(event.to)}, ${expectationWords(event)}`;

/** Differences of a policy that a line names. */
const NAMED = 3;

/**
 * What operators told an account, newest first, with freezes of all accounts among them.
 * @returns `whole` where nothing older is on the server; null where the server knows no such account.
 */
export async function operatorHistory(
  { client, scale }: Pick<Session, 'client' | 'scale'>,
  account: string,
  limit: number,
): Promise<{ told: Told[]; whole: boolean } | null> {
  const [own, all] = await Promise.all([
    operatorActions(client, accountWorkflowId(account), new Set(Object.keys(OPERATOR_WORDS)), limit),
    operatorActions(client, FLEET_WORKFLOW_ID, new Set(Object.keys(OF_ALL)), limit),
  ]);
  if (own.runs === 0) return null;
  const words = { ...OPERATOR_WORDS, ...OF_ALL };
  const inOrder = [...own.actions, ...all.actions].sort((a, b) => a.at - b.at);
  let policy: unknown;
  const told = inOrder.map((action): Told => {
    const before = policy;
    policy = policyOf(action) ?? policy;
    return toldBy(action, words, simulatedNow(scale, action.at), changesOf(action, before));
  });
  return { told: told.reverse().slice(0, limit), whole: own.whole && all.whole && told.length <= limit };
}

export function toldBy(action: OperatorAction, words: typeof OPERATOR_WORDS, at: EpochSeconds, changes = ''): Told {
  const input = isRecord(action.input) ? action.input : {};
  const { author, reason } = input;
  return {
    at,
    author: typeof author === 'string' ? author : null,
    what: `${wordsOf(action, words, input)}${changes}`,
    reason: typeof reason === 'string' ? reason : '',
  };
}

/** A message of another version may lack what today's words need: its name stands for it. */
function wordsOf({ name }: OperatorAction, words: typeof OPERATOR_WORDS, input: Record<string, unknown>): string {
  try {
    return words[name]?.(input) ?? name;
  } catch {
    return name;
  }
}

/** `: workloads[web].replicas.max: 8 → 12 and 2 more`; nothing where the policy before is not known. */
function changesOf(action: OperatorAction, before: unknown): string {
  const after = policyOf(action);
  if (action.name !== 'set-policy' || before === undefined || after === undefined) return '';
  const found = differences(before, after).map(({ path, before: was, after: is }) => `${path}: ${was} → ${is}`);
  return found.length === 0 ? ', nothing differs' : `: ${someOf(found, NAMED)}`;
}

const policyOf = ({ name, input }: OperatorAction): unknown =>
  (name === 'set-policy' || name === 'start') && isRecord(input) ? input['policy'] : undefined;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
