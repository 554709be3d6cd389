import { formatDuration } from './time.js';

/*
 * A migration that a plan proposes. Plain JSON: the best one travels in the plan's summary through histories.
 */

export interface MigrationProposal {
  workload: string;
  /** Pools of the account file. */
  from: string;
  to: string;
  /** Replicas of the first block, all of which move. */
  replicas: number;
  /** Mean over `over`, with demand at the account's level: nodes, interruptions, data read, unserved demand × criticality. */
  savingPerHour: number;
  /** Money, once. `egress`: copying its data; `twice`: both serve for `takes`; `churn`: starting replicas and nodes. */
  oneOff: { egress: number; twice: number; churn: number };
  /** Seconds that it takes, about. */
  takes: number;
  /** Seconds of the plan that the saving is the mean of. */
  over: number;
  /** Seconds until what it saves is what it cost once. */
  paidBackIn: number;
  /** The probability that it saves more than it costs within `over`: as demand and prices are forecast to vary. */
  confidence: number;
  /** Workloads that have to go the same way: the saving is its share of what all of them save; absent where it needs none. */
  together?: string[];
  /** Why it is not begun though it would save, each with its remedy; empty where it is proposed. */
  refusals: string[];
}

/** A workload that a plan leaves where it is, with why, in words. */
export interface Unmoved {
  workload: string;
  why: string;
}

/** What of a proposal an account needs to begin it. */
export type ProposedMove = Pick<MigrationProposal, 'workload' | 'from' | 'to' | 'confidence'> & { words: string };

/** An account begins by itself only what pays with this probability. */
export const SURE = 0.8;

export const oneOffOf = ({ oneOff: { egress, twice, churn } }: Pick<MigrationProposal, 'oneOff'>): number =>
  egress + twice + churn;

const figure = (value: number): string => String(Number(value.toPrecision(3)));

/** `saves 0.52 EUR/h over 24h, costs 0.1 once (0.06 both serving, 0.04 starting), paid back in 12m, 90 % sure`. */
export function proposalWords(proposal: MigrationProposal, currency: string): string {
  const { egress, twice, churn } = proposal.oneOff;
  const parts = [
    ...(egress > 0 ? [`${figure(egress)} data copied`] : []),
    ...(twice > 0 ? [`${figure(twice)} while both serve`] : []),
    ...(churn > 0 ? [`${figure(churn)} for starts`] : []),
  ];
  const together = proposal.together === undefined ? '' : `, once ${proposal.together.join(' and ')} moves as well`;
  return [
    `saves ${figure(proposal.savingPerHour)} ${currency}/h over ${formatDuration(proposal.over)}${together}`,
    `costs ${figure(oneOffOf(proposal))} ${currency} once${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`,
    `paid back in ${formatDuration(Math.ceil(proposal.paidBackIn / 60) * 60)}`,
    `${Math.floor(100 * proposal.confidence + 1e-9)} % sure`,
  ].join(', ');
}
