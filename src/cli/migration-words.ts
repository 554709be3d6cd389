import {
  downtimeWords,
  targetWords,
  type MigrationOutcome,
  type MigrationState,
  type MigrationSurvey,
} from '../domain/migration.js';
import { proposalWords, type MigrationProposal } from '../domain/migration-proposal.js';

/* A migration in words, for people; `--json` has the objects themselves. */

/** What would be done, in the order in which it would be; a line each. */
export function surveyLines(survey: MigrationSurvey): string[] {
  const { source, copy, traffic, images, volumes, warm, reverse, refusals } = survey;
  const steps = traffic.steps.map((step) => `${step}%`).join(', ');
  return [
    `target      ${survey.chosen}`,
    `source      ${source.words}: ${source.ready} of ${source.replicas} replicas ready`,
    `copy        ${copy.words}`,
    ...(images.length === 0 ? [] : [`images      ${images.join(', ')}`]),
    ...(volumes.length === 0 ? [] : [`volumes     ${volumes.join(', ')}`]),
    ...(survey.stopped === undefined ? [] : [`downtime    ${survey.stopped}`]),
    ...(survey.costs ?? []).map((line) => `costs       ${line}`),
    ...(warm.length === 0 ? [] : [`caches      ${warm.join(', ')}`]),
    `traffic     ${traffic.words}${steps === '' ? '' : `, ${steps}`}`,
    ...reverse.map((line) => `way back    ${line}`),
    ...refusals.map((why) => `refused     ${why}`),
  ];
}

export function stateLines(state: MigrationState): string[] {
  const { phase, doing, target, copy, weight, pointOfNoReturn: point, downtime, attention } = state;
  const to = target === null ? '' : ` to ${targetWords(target)}${copy === null ? '' : ` as ${copy}`}`;
  return [
    `migration ${state.id}${to}: ${phase}, ${doing}`,
    `${weight}% of the traffic is on the copy; downtime ${downtimeWords(downtime)}`,
    point.passed
      ? 'past the point of no return: it can only go forward'
      : state.cancellable
        ? `can be cancelled until ${point.words}`
        : 'cannot be cancelled any more: it ends',
    ...(attention === null ? [] : [`needs attention: ${attention}`]),
  ];
}

export function outcomeLines(outcome: MigrationOutcome): string[] {
  return [
    `migration ${outcome.id}: ${outcome.result}: ${outcome.detail}`,
    `downtime: ${downtimeWords(outcome.downtime)}`,
    ...(outcome.restored ? [] : ['not everything is as it was: see above']),
  ];
}

/** What a plan proposes to move, and what it would if nothing stood in the way; a line each, and one for each refusal. */
export const proposalLines = (proposals: readonly MigrationProposal[], currency: string): string[] =>
  proposals.flatMap((proposal) => {
    const { workload, from, to, refusals, savingPerHour } = proposal;
    const saving = `${Number(savingPerHour.toPrecision(3))} ${currency}/h`;
    return refusals.length === 0
      ? [`migration ${workload}: pool ${from} → ${to}  ${proposalWords(proposal, currency)}`]
      : [
          `no migration of ${workload} from pool ${from} to ${to}, which would save some ${saving}:`,
          ...refusals.map((why) => `  - ${why}`),
        ];
  });
