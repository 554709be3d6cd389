import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  type WorkflowHandle,
} from '@temporalio/client';
import type { migration } from '../../../workflows/migration.js';
import {
  cancelMigrationUpdate,
  migrationWorkflowId,
  type MigrationInput,
} from '../../../workflows/migration-messages.js';
import { policyQuery, statusQuery } from '../../../workflows/messages.js';
import type { AccountPolicy } from '../../domain/account.js';
import { HeadroomError } from '../../domain/errors.js';
import { modeProblem } from '../../domain/mode-problem.js';
import { MIGRATION_DEFAULTS, readSteps, type MigrationOrder } from '../../domain/migration.js';
import { parseDuration } from '../../domain/time.js';
import {
  argument,
  CommandFailure,
  durationOption,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
  type Terminal,
} from '../command.js';
import { refuseAhead, surveyAhead } from '../migration-ahead.js';
import { moveToCluster } from '../move-to-cluster.js';
import { runningMigrations } from '../running-migrations.js';
import { followed, lastNumber } from '../follow-migration.js';
import { outcomeLines, surveyLines } from '../migration-words.js';
import { namedPool, namedWorkload } from '../named.js';
import { proposedMove } from '../proposed-move.js';
import { explain, withSession, type Session } from '../session.js';

interface Options {
  to?: string;
  toCluster?: { cluster: string; pool: string | null };
  file?: string;
  backend: string[];
  routeIn: 'source' | 'target';
  proposed?: boolean;
  /** What the plan says for it, in words; of what was proposed alone. */
  proposal?: string;
  steps: number[];
  stepFor: number;
  ready: number;
  old: 'remove' | 'keep';
  copyVolumes?: boolean;
  stopForVolumes?: boolean;
  traffic: boolean;
  evenIfLimited?: boolean;
  reason: string;
  dryRun?: boolean;
  wait: boolean;
  json?: boolean;
}

const seconds = argument((text: string): number => {
  const length = parseDuration(text);
  if (length > 0) return length;
  throw new RangeError(`"${text}" must be above 0`);
});
const readCluster = (text: string): { cluster: string; pool: string | null } => {
  const [cluster = '', pool, ...rest] = text.split('/');
  if (cluster !== '' && pool !== '' && rest.length === 0) return { cluster, pool: pool ?? null };
  throw new RangeError(`"${text}": write CLUSTER or CLUSTER/POOL`);
};
const routeSide = argument((text: string): 'source' | 'target' => {
  if (text === 'source' || text === 'target') return text;
  throw new RangeError(`"${text}": write source or target`);
});
const oldOf = argument((text: string): 'remove' | 'keep' => {
  if (text === 'remove' || text === 'keep') return text;
  throw new RangeError(`"${text}": write remove or keep`);
});

export const register: RegisterCommand = (program, terminal) => {
  const command = program
    .command('migrate')
    .description(
      'move a workload to another pool, or its account to another cluster, while it serves; before the hand-over it can be taken back',
    )
    .argument('<account>')
    .argument('[workload]', 'with --proposed: default, what the plan thinks best')
    .option('--proposed', 'to where the account’s plan proposes')
    .option(
      '--to-cluster <cluster[/pool]>',
      'another cluster, for the whole account: all of its workloads; with the pool that they are bound to there',
      argument(readCluster),
    )
    .option('-f, --file <file>', 'with --to-cluster: the account file there, for its pools and where workloads may run')
    .option(
      '--backend <[workload=]name>',
      'with --to-cluster: what leads to a workload there from its HTTPRoute: a Service, or ServiceImport/NAME; once a workload',
      (text: string, before: string[]) => [...before, text],
      [],
    )
    .option('--route-in <side>', 'with --to-cluster: where the HTTPRoutes are, source or target', routeSide, 'source')
    .option('--to <pool>', 'a pool of the account file (default: the cheapest that it fits)')
    .option('--steps <list>', 'percent of the traffic that is led over, step by step', argument(readSteps), [
      ...MIGRATION_DEFAULTS.steps,
    ])
    .addOption(
      durationOption('--step-for <duration>', 'how long each step is watched', seconds, MIGRATION_DEFAULTS.stepFor),
    )
    .addOption(
      durationOption('--ready-within <duration>', 'for the copy to be ready', seconds, MIGRATION_DEFAULTS.ready),
    )
    .option('--old <what>', 'remove the old one at the end, or keep it without replicas', oldOf, 'remove')
    .option('--copy-volumes', 'consent: begin with a copy of its volumes; what is written later stays with the old one')
    .option(
      '--stop-for-volumes',
      'stop it while its volumes are copied: nothing that is written is lost, and nobody serves until the copy is ready',
    )
    .option('--no-traffic', 'lead no traffic over: it takes its work from a queue')
    .option(
      '--even-if-limited',
      'also where the account’s own limits are against it: shares on spot, zones, a blackout, the budget while both serve',
    )
    .option('--reason <text>', 'why', '')
    .option('--dry-run', 'say what would be done, and touch nothing')
    .option('--no-wait', 'begin it and return')
    .option('--json', 'for machines')
    .action(async (account: string, named: string | undefined, options: Options & { readyWithin: number }) => {
      if (options.proposed === true && options.to !== undefined)
        throw new CommandFailure(EXIT.usage, '--to and --proposed are two ways to say where it shall go: give one');
      if (options.toCluster !== undefined) {
        const { toCluster } = options;
        if (options.proposed === true || options.to !== undefined)
          throw new CommandFailure(
            EXIT.usage,
            'of --to-cluster, --to and --proposed give one: a pool there is CLUSTER/POOL',
          );
        if (options.copyVolumes === true || options.stopForVolumes === true)
          throw new CommandFailure(EXIT.usage, 'volumes do not travel between clusters: leave their options out');
        // What is removed cannot be started again: here that is asked for, and not what happens of itself.
        const old = command.getOptionValueSource('old') === 'default' ? 'keep' : options.old;
        const asked = { ...options, ready: options.readyWithin, old, toCluster };
        await withSession(terminal, (session) => moveToCluster(session, account, named, asked, terminal));
        return;
      }
      if (options.proposed !== true && named === undefined)
        throw new CommandFailure(EXIT.usage, 'name a workload, or give --proposed or --to-cluster');
      await withSession(terminal, async (session) => {
        const found = options.proposed === true ? await proposedMove(session, account, named) : null;
        const workload = found?.workload ?? named ?? '';
        const asked = {
          ...options,
          ready: options.readyWithin,
          ...(found === null
            ? {}
            : {
                to: found.to,
                proposal: found.words,
                reason: options.reason === '' ? `proposed: ${found.words}` : options.reason,
              }),
        };
        if (asked.dryRun === true) await dryRun(session, account, workload, asked, terminal);
        else await begin(session, account, workload, asked, terminal);
      });
    });
  withExamples(
    command,
    'migrate shop web --to spot --dry-run',
    'migrate shop --proposed',
    'migrate shop web --to spot --steps 10,50,100 --step-for 5m',
    'migrate shop --to-cluster west -f shop-west.yaml --backend ServiceImport/web-west --dry-run',
    'migrate cancel shop web --reason "latency is up"',
  );
  withExamples(
    command
      .command('cancel')
      .description('take a migration back; refused after its point of no return')
      .argument('<account>')
      .argument('<workload>', 'of a move to another cluster: any of them')
      .option('--reason <text>', 'why', '')
      .option('--no-wait', 'do not wait until all is back')
      .option('--json', 'for machines')
      .action(async (account: string, workload: string, options: { reason: string; wait: boolean; json?: boolean }) => {
        await withSession(terminal, async (session) => {
          const handle = await runningOf(session, account, workload);
          const told = { author: session.author, reason: options.reason };
          try {
            await handle.executeUpdate(cancelMigrationUpdate, { args: [told] });
          } catch (error) {
            throw explain(error, `${account}/${workload}`, 'cancelling the migration', noneRuns);
          }
          if (!options.wait) {
            if (options.json === true) printJson(terminal, { cancelled: handle.workflowId });
            else terminal.out(`${handle.workflowId} goes back`);
            return;
          }
          const outcome = await handle.result();
          if (options.json === true) printJson(terminal, outcome);
          else outcomeLines(outcome).forEach((line) => terminal.out(line));
          if (outcome.result === 'moved' || !outcome.restored) process.exitCode = EXIT.failed;
        });
      }),
    'migrate cancel shop web --reason "latency is up"',
  );
};

const noneRuns = (what: string, action: string): HeadroomError =>
  new HeadroomError({
    ...{ kind: 'not-found', component: 'cli', action: `${action} of ${what}` },
    problem: 'none runs',
    remedy: '`headroom migrations ACCOUNT` lists them',
  });

/** By what is recorded and what the server knows: the newest that runs. */
async function runningOf(
  session: Session,
  account: string,
  workload: string,
): Promise<WorkflowHandle<typeof migration>> {
  // A move to another cluster moves it, too.
  const across = (await runningMigrations(session, account)).find((id) => id.startsWith(`${account}/@`));
  if (across !== undefined) return session.client.workflow.getHandle<typeof migration>(migrationWorkflowId(across));
  for (let number = await lastNumber(session, account, workload); number > 0; number--) {
    const handle = session.client.workflow.getHandle<typeof migration>(
      migrationWorkflowId(`${account}/${workload}/${number}`),
    );
    const status = await handle.describe().catch(() => null);
    if (status?.status.name === 'RUNNING') return handle;
  }
  throw noneRuns(`${account}/${workload}`, 'finding the migration');
}

async function orderOf(
  session: Session,
  account: string,
  workload: string,
  options: Options,
): Promise<{ order: Omit<MigrationOrder, 'id' | 'number'>; policy: AccountPolicy }> {
  const running = session.account(account);
  const [{ policy }, { policyId }] = [await running.query(policyQuery), await running.query(statusQuery)];
  const verification = namedWorkload(policy, workload).verification ?? policy.verification;
  const target =
    options.to === undefined ? null : { pool: namedPool(policy, options.to).name, namespace: null, cluster: null };
  const order = {
    ...{
      account,
      workload,
      policyId,
      target,
      steps: options.steps,
      stepFor: options.stepFor,
    },
    ...{ old: options.old, copyVolumes: options.copyVolumes === true, noTraffic: !options.traffic },
    ...(options.stopForVolumes === true ? { stop: true } : {}),
    ...(options.evenIfLimited === true ? { evenIfLimited: true } : {}),
    backend: null,
    limits: { ready: options.ready, stage: MIGRATION_DEFAULTS.stage },
    verification: { for: verification.for, every: verification.every, failAfter: verification.failAfter },
    whenPaused: policy.whenPaused,
    ...{ author: session.author, reason: options.reason },
  };
  return { order, policy };
}

const inputOf = (session: Session, order: MigrationOrder): MigrationInput => {
  const { light, cluster } = session.runtime?.queues ?? { light: 'headroom', cluster: 'headroom-cluster-main' };
  return { order, scale: session.scale, queues: { light, cluster } };
};

/** As the next migration of the workload would be ordered. */
async function nextInput(session: Session, order: Omit<MigrationOrder, 'id' | 'number'>): Promise<MigrationInput> {
  const { account, workload } = order;
  const number = (await lastNumber(session, account, workload)) + 1;
  return inputOf(session, { ...order, number, id: `${account}/${workload}/${number}` });
}

async function dryRun(session: Session, account: string, workload: string, options: Options, terminal: Terminal) {
  const { order } = await orderOf(session, account, workload, options);
  const input = await nextInput(session, order);
  const survey = await surveyAhead(session, input);
  const { proposal } = options;
  if (options.json === true) printJson(terminal, { ...survey, ...(proposal === undefined ? {} : { proposal }) });
  else {
    if (proposal !== undefined) terminal.out(`proposed    ${workload} to pool ${options.to ?? ''}: ${proposal}`);
    surveyLines(survey).forEach((line) => terminal.out(line));
  }
  if (survey.refusals.length > 0) process.exitCode = EXIT.refused;
}

const MOST_TRIES = 20;

async function begin(session: Session, account: string, workload: string, options: Options, terminal: Terminal) {
  const { order, policy } = await orderOf(session, account, workload, options);
  // The survey says so, too; here nothing is started for it.
  const problem = modeProblem(policy, 'the migration');
  if (problem !== null) throw new CommandFailure(EXIT.refused, problem);
  // Nobody would be told of a refusal later.
  if (!options.wait) await refuseAhead(session, await nextInput(session, order));
  const handle = await startNext(session, order);
  const id = handle.workflowId;
  if (!options.wait) {
    if (options.json === true) printJson(terminal, { started: id });
    else terminal.out(`${id} has begun; headroom migrations ${account} shows it`);
    return;
  }
  terminal.err(`${id} has begun; headroom migrate cancel ${account} ${workload} takes it back`);
  const outcome = await followed(handle, (line) => terminal.err(line));
  if (options.json === true) printJson(terminal, outcome);
  else outcomeLines(outcome).forEach((line) => terminal.out(line));
  if (outcome.result !== 'moved') process.exitCode = outcome.result === 'refused' ? EXIT.refused : EXIT.failed;
}

/** The next number that nobody has: another command may begin one at the same moment. */
async function startNext(
  session: Session,
  order: Omit<MigrationOrder, 'id' | 'number'>,
): Promise<WorkflowHandle<typeof migration>> {
  const { account, workload } = order;
  let number = (await lastNumber(session, account, workload)) + 1;
  for (let attempt = 0; ; attempt++, number++) {
    const id = `${account}/${workload}/${number}`;
    const input = inputOf(session, { ...order, number, id });
    try {
      return await session.client.workflow.start<typeof migration>('migration', {
        workflowId: migrationWorkflowId(id),
        taskQueue: input.queues.light,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        staticSummary: `${account}/${workload} moves`,
        args: [input],
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError) || attempt === MOST_TRIES) throw error;
    }
  }
}
