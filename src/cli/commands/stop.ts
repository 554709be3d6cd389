import { setTimeout as delay } from 'node:timers/promises';
import type { AccountResult } from '../../../workflows/account.js';
import { statusQuery, stopSignal } from '../../../workflows/messages.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { runningMigrations } from '../running-migrations.js';
import { withSession, type AccountHandle, type Session } from '../session.js';

interface Flags {
  restore?: boolean;
  evenIfMigrating?: boolean;
  wait: boolean;
  json?: boolean;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('stop')
      .description('end an account’s loop; what runs stays as it is, and is free for another account')
      .argument('<accounts...>')
      .option('--restore', 'put back what was there before Headroom’s first change')
      .option('--even-if-migrating', 'also while a migration of it runs: that goes on, to its end, without the account')
      .option('--no-wait', 'do not wait for a running change to end')
      .option('--json', 'for machines')
      .action(async (given: string[], options: Flags) => {
        await withSession(terminal, async (session) => {
          const names = [...new Set(given)];
          // All are looked at before the first is told, and all are told before the first is waited for: their changes end together.
          if (options.evenIfMigrating !== true) await refuseMoving(session, names);
          const stop = { restore: options.restore === true, author: session.author };
          const told = await Promise.allSettled(names.map((name) => session.account(name).signal(stopSignal, stop)));
          const quiet = options.json === true;
          const results = await Promise.allSettled(
            names.map(async (name, index): Promise<Stopped> => {
              const failed = told[index];
              if (failed?.status === 'rejected') throw failed.reason;
              const say = (line: string): void => terminal.err(names.length === 1 ? line : `${name}: ${line}`);
              if (!options.wait) return { account: name, result: null };
              return { account: name, result: await ended(session.account(name), quiet ? () => undefined : say) };
            }),
          );
          const stopped = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
          if (!quiet) for (const one of stopped) show(terminal, one);
          else {
            const bodies = stopped.map(({ account, result }) => result ?? { account, stopping: true });
            printJson(terminal, names.length === 1 ? bodies[0] : { accounts: bodies });
          }
          const unrestored = ({ result }: Stopped): boolean =>
            result?.restored.some(({ result: how }) => !how.startsWith('back to')) === true;
          if (stopped.some(unrestored)) process.exitCode = EXIT.failed;
          const failures = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
          // One is thrown, for its exit code; the others are named, so that nobody takes them for stopped.
          for (const failure of failures.slice(1)) terminal.err(messageOf(failure));
          if (failures.length > 0) throw failures[0];
        });
      }),
    'stop shop',
    'stop shop --restore',
    'stop shop blog api',
  );
};

/** `result` is null where nobody waited for it. */
interface Stopped {
  account: string;
  result: AccountResult | null;
}

function show(terminal: Terminal, { account, result }: Stopped): void {
  if (result === null) return terminal.out(`${account} is stopping`);
  terminal.out(`${account} stopped`);
  for (const { field, result: how } of result.restored) terminal.out(`  ${field}: ${how}`);
}

async function refuseMoving(session: Session, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const migrating = await runningMigrations(session, name);
    if (migrating.length > 0) throw new CommandFailure(EXIT.refused, underWay(name, migrating));
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function underWay(account: string, ids: readonly string[]): string {
  const cancel = ids.map((id) => `\`headroom migrate cancel ${account} ${id.split('/')[1] ?? ''}\``).join(', ');
  const [which, verb, it] = ids.length === 1 ? ['migration', 'runs', 'it'] : ['migrations', 'run', 'them'];
  return `${which} ${ids.join(', ')} ${verb}, and would go on without the account: take ${it} back with ${cancel}, or wait for the end (\`headroom migrations ${account}\`); --even-if-migrating stops all the same`;
}

/** Between two looks at what the account says of its end. */
const LOOK_EVERY_MS = 500;

/** Waits for the end of the account, and tells what it does until then: a running change may take its time to end. */
async function ended(account: AccountHandle, say: (line: string) => void): Promise<AccountResult> {
  let over = false;
  const result = account.handle.result().finally(() => (over = true));
  result.catch(() => undefined);
  const told = new Set<string>();
  let doing = '';
  // What comes after the last look is in the result, which is printed whole.
  while (!over) {
    // Progress is a courtesy: what is not answered now is asked again, and the end is waited for whatever comes.
    const status = await account.query(statusQuery).catch((error: unknown) => {
      if (!over && doing !== 'unanswered') say(`${messageOf(error)}; waiting`);
      doing = 'unanswered';
      return null;
    });
    if (status !== null && status.phase !== 'stopping' && status.change !== null) {
      const now = `change ${status.change.changeId} is running; it ends as its policy says`;
      if (now !== doing) say((doing = now));
    }
    const log = status?.log ?? [];
    const since = log.findLastIndex(({ text }) => text.startsWith('stopping'));
    for (const { at, text } of log.slice(Math.max(0, since))) {
      const key = `${at} ${text}`;
      if (!told.has(key) && PROGRESS.test(text)) say(text);
      told.add(key);
    }
    await Promise.race([result.catch(() => undefined), delay(LOOK_EVERY_MS)]);
  }
  return result;
}

/** Of the account's log, what belongs to its end: `stopping, …`, `change … kept: …`, `2 of 5: web.floor back to 2`. */
const PROGRESS = /^(stopping|change .* (kept|rolled-back|stale|stopped|failed):|\d+ of \d+:|marks of changes)/;
