import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { accountWorkflowId, statusQuery, type AccountStatus } from '../../../workflows/messages.js';
import type { ChangeOutcome } from '../../domain/plan.js';
import { isoTime, type EpochSeconds } from '../../domain/time.js';
import { profileOf } from '../../replay/profiles.js';
import { PACKAGE_ROOT } from '../../temporal/home.js';
import type { Dev } from '../../temporal/dev.js';
import type { Timeline } from '../../cluster/simulated/samples.js';
import { DAY, DAY_START, STEP, STORY, type DemoAccount } from './world.js';

const run = promisify(execFile);

export interface EventResult {
  ok: boolean;
  at: string | null;
  detail: string;
}

export type EventName = 'campaignRaisedBefore' | 'rollback' | 'pause' | 'overrideExpired' | 'missingNotZero';

/** One thing that an operator does at a moment of the day, by the command line as an operator would. */
export interface Action {
  at: EpochSeconds;
  command: string[];
}

const campaign = profileOf('shop', DAY_START).campaigns[0];
const outage = profileOf('analytics', DAY_START).outages[0];

/** What the operator does in the day, in order. */
export function actions(): Action[] {
  if (campaign === undefined) throw new RangeError('the shop has no campaign');
  const { pause, announce, override } = STORY;
  return [
    {
      at: DAY_START + pause.at,
      command: ['pause', pause.account, '--for', `${pause.length / 60}m`, '--reason', 'database migration'],
    },
    {
      at: DAY_START + announce.at,
      command: [
        ...['announce', announce.account, '--name', campaign.name],
        ...['--from', isoTime(campaign.from), '--to', isoTime(campaign.to)],
        ...['--multiplier', String(campaign.multiplier), '--uncertainty', '0.2'],
      ],
    },
    {
      at: DAY_START + override.at,
      command: [
        ...['override', override.account, '--replicas', `${override.workload}=${override.replicas}`],
        ...['--for', `${override.length / 60}m`, '--reason', 'load test'],
      ],
    },
  ].sort((a, b) => a.at - b.at);
}

/** Runs a command of the CLI as its own process. */
export async function headroom(command: string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await run(process.execPath, [join(PACKAGE_ROOT, 'bin', 'headroom'), ...command], { env });
  return stdout.trim();
}

/** What was seen while the day ran, for the checks that the timeline alone cannot make. */
export interface Sightings {
  statuses: { at: EpochSeconds; account: string; status: AccountStatus }[];
}

export async function look(dev: Dev, account: string): Promise<AccountStatus> {
  return dev.client.workflow.getHandle(accountWorkflowId(account)).query(statusQuery);
}

/** Did everything happen that the demo promises? Judged by what the cluster did, not by what Headroom says of itself. */
export async function judge(
  dev: Dev,
  accounts: readonly DemoAccount[],
  timeline: Timeline,
  sightings: Sightings,
): Promise<Record<EventName, EventResult>> {
  return {
    campaignRaisedBefore: judgeCampaign(timeline),
    rollback: await judgeRollback(dev, timeline),
    pause: judgePause(timeline, sightings),
    overrideExpired: judgeOverride(timeline, sightings),
    missingNotZero: await judgeOutage(dev, accounts, timeline, sightings),
  };
}

type Column = 'replicas' | 'ready';

/** Of a workload, by bin of the timeline. */
function columnOf(timeline: Timeline, account: string, workload: string, column: Column): (number | null)[] {
  const found = timeline.workloads.find((one) => one.account === account && one.workload === workload);
  return found?.[column] ?? [];
}

const binOf = (timeline: Timeline, at: EpochSeconds): number => Math.floor((at - timeline.from) / timeline.step);
const labelOf = (timeline: Timeline, bin: number): string => isoTime(timeline.from + bin * timeline.step);
const known = (values: (number | null)[]): number[] => values.flatMap((value) => (value === null ? [] : [value]));

/** Ready capacity rose before the campaign began, and covered its first half hour. */
function judgeCampaign(timeline: Timeline): EventResult {
  if (campaign === undefined) return { ok: false, at: null, detail: 'there is no campaign' };
  const { account } = STORY.announce;
  const cpu = timeline.workloads
    .find((one) => one.account === account && one.workload === 'web')
    ?.components.find((one) => one.component === 'cpu');
  if (cpu === undefined) return { ok: false, at: null, detail: 'there is no timeline of shop/web' };
  const begins = binOf(timeline, campaign.from);
  const announced = binOf(timeline, DAY_START + STORY.announce.at);
  const before = cpu.capacity[announced] ?? 0;
  const wanted = before * 1.3;
  const raised = cpu.capacity.findIndex((value, bin) => bin >= announced && bin < begins && (value ?? 0) >= wanted);
  const first = cpu.demand.slice(begins, begins + 6);
  const covered = first.filter((demand, index) => (demand ?? 0) <= (cpu.capacity[begins + index] ?? 0)).length;
  const ok = raised >= 0 && covered >= first.length - 1;
  return {
    ok,
    at: raised < 0 ? null : labelOf(timeline, raised),
    detail:
      `${campaign.name} from ${isoTime(campaign.from)}: ${before.toFixed(1)} cores ready when it was announced, ` +
      `${(cpu.capacity[begins] ?? 0).toFixed(1)} when it began; ${covered} of its first ${first.length} bins covered`,
  };
}

/** A change that made things worse was put back, and the field has its old value again. */
async function judgeRollback(dev: Dev, timeline: Timeline): Promise<EventResult> {
  const { account, workload, from } = STORY.badRelease;
  const records = await dev.store.listRecords('outcome', account, { limit: 500 });
  const back = records
    .map((record) => record.body as ChangeOutcome)
    .reverse()
    .find((outcome) => outcome.result === 'rolled-back' && outcome.startedAt >= DAY_START + from);
  if (back === undefined) return { ok: false, at: null, detail: `no change of ${account} was rolled back` };
  const replicas = columnOf(timeline, account, workload, 'replicas');
  const begun = replicas[binOf(timeline, back.startedAt) - 1] ?? null;
  const after = replicas[binOf(timeline, back.endedAt) + 1] ?? null;
  return {
    ok: back.restored,
    at: isoTime(back.endedAt),
    detail: `change ${back.changeId}: ${back.detail}; ${workload} had ${begun} replicas before and ${after} after`,
  };
}

/** Nothing of the account changed between the pause's first full bin and its end, and it said so. */
function judgePause(timeline: Timeline, sightings: Sightings): EventResult {
  const { account } = STORY.pause;
  const stamp = sightings.statuses.find((seen) => seen.account === account && seen.status.pause !== null)?.status.pause;
  if (stamp === undefined || stamp === null) return { ok: false, at: null, detail: `${account} was never seen paused` };
  // A change that was under way when the pause came may write on (whenPaused: finish); after that all stands still.
  const first = binOf(timeline, stamp.since) + 2;
  const last = binOf(timeline, stamp.until);
  const moved = timeline.workloads
    .filter((one) => one.account === account)
    .filter((one) => new Set(known(one.replicas.slice(first, last))).size > 1)
    .map((one) => one.workload);
  const said = sightings.statuses.find(
    (seen) => seen.account === account && seen.status.pause !== null && seen.status.verdict?.kind === 'hold',
  );
  const ended = sightings.statuses.some(
    (seen) => seen.account === account && seen.at > stamp.until + 900 && seen.status.pause === null,
  );
  return {
    ok: moved.length === 0 && said !== undefined && ended,
    at: said === undefined ? null : isoTime(said.at),
    detail:
      moved.length > 0
        ? `${moved.join(', ')} changed during the pause`
        : `nothing of ${account} changed for ${Math.round(((last - first) * STEP) / 60)} minutes; ` +
          `the pause ${ended ? 'ended by itself' : 'did not end'}`,
  };
}

/** The override held while it was live; after it expired the plan had its say again. */
function judgeOverride(timeline: Timeline, sightings: Sightings): EventResult {
  const { account, workload, replicas: wanted } = STORY.override;
  const replicas = columnOf(timeline, account, workload, 'replicas');
  const stamp = sightings.statuses.find((seen) => seen.account === account && seen.status.overrides.length > 0)?.status
    .overrides[0];
  if (stamp === undefined) return { ok: false, at: null, detail: `no override of ${account} was ever seen` };
  const from = binOf(timeline, stamp.since);
  const until = binOf(timeline, stamp.until);
  const held = replicas.findIndex((value, bin) => bin >= from && bin <= until && value === wanted);
  const left = replicas.findIndex((value, bin) => bin > until && value !== null && Math.round(value) !== wanted);
  const gone = sightings.statuses.some(
    (seen) => seen.account === account && seen.at > stamp.until + 600 && seen.status.overrides.length === 0,
  );
  return {
    ok: held >= 0 && left >= 0 && gone,
    at: left < 0 ? null : labelOf(timeline, left),
    detail:
      `${workload} was overridden to ${wanted} replicas until ${isoTime(stamp.until)}: ` +
      `${held < 0 ? 'never reached' : `held from ${labelOf(timeline, held)}`}, ` +
      `${left < 0 ? 'never left' : `${Math.round(replicas[left] ?? 0)} again at ${labelOf(timeline, left)}`}`,
  };
}

/** While metrics were missing nothing was lowered, nothing was stored as zero, and the account said what it lacked. */
async function judgeOutage(
  dev: Dev,
  accounts: readonly DemoAccount[],
  timeline: Timeline,
  sightings: Sightings,
): Promise<EventResult> {
  if (outage === undefined) return { ok: false, at: null, detail: 'there is no outage' };
  const { account } = STORY.outage;
  const policy = accounts.find((one) => one.name === account)?.policy;
  // From when the data count as stale to the end of the outage: until then fresh data may still have said "less".
  const first = binOf(timeline, outage.from + (policy?.staleAfter ?? 0)) + 1;
  const last = binOf(timeline, outage.to);
  const lowered = timeline.workloads
    .filter((one) => one.account === account)
    .filter((one) =>
      one.replicas.slice(first + 1, last).some((value, k) => (value ?? 0) < (one.replicas[first + k] ?? 0)),
    )
    .map((one) => one.workload);
  const window = await dev.store.readUsage(
    {
      account,
      series: (policy?.workloads ?? []).map((workload) => ({ workload: workload.name, component: 'cpu' as const })),
      from: outage.from + STEP,
      to: outage.to - STEP,
      step: STEP,
    },
    AbortSignal.timeout(10_000),
  );
  const stored = window.series.flatMap(({ series }) => [...series.values]).filter((value) => !Number.isNaN(value));
  const said = sightings.statuses.find(
    (seen) =>
      seen.account === account &&
      seen.at > outage.from &&
      seen.status.verdict?.kind === 'hold' &&
      (seen.status.verdict.reason === 'stale-data' || seen.status.verdict.reason === 'missing-data'),
  );
  return {
    ok: lowered.length === 0 && stored.length === 0 && said !== undefined,
    at: said === undefined ? null : isoTime(said.at),
    detail:
      `metrics of ${account} were gone from ${isoTime(outage.from)} to ${isoTime(outage.to)}: ` +
      `${stored.length} bins stored, ` +
      `${lowered.length === 0 ? 'nothing lowered' : `${lowered.join(', ')} lowered`}, ` +
      `${said === undefined ? 'no hold seen' : `held: ${said.status.summary}`}`,
  };
}

export const DAY_END = DAY_START + DAY;
