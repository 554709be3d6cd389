import { userInfo } from 'node:os';
import {
  isGrpcDeadlineError,
  QueryRejectedError,
  ServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import {
  ApplicationFailure,
  type QueryDefinition,
  type SignalDefinition,
  type UpdateDefinition,
} from '@temporalio/common';
import type { account } from '../../workflows/account.js';
import { accountWorkflowId } from '../../workflows/messages.js';
import { HeadroomError } from '../domain/errors.js';
import {
  REAL_TIME,
  simulatedNow,
  parseDuration,
  parseTime,
  type EpochSeconds,
  type TimeScale,
} from '../domain/time.js';
import { connectClient, resolveTarget } from '../temporal/connection.js';
import type { RuntimeFile } from '../temporal/home.js';
import { CommandFailure, EXIT, type Terminal } from './command.js';
import { findStore, type StoreClient } from './find-store.js';

/** What an operator command speaks to. */
export interface Session {
  client: Client;
  runtime: RuntimeFile | null;
  /** Null where no process that owns a store runs here. */
  store: StoreClient | null;
  scale: TimeScale;
  now(): EpochSeconds;
  author: string;
  account(name: string): AccountHandle;
}

export interface AccountHandle {
  handle: WorkflowHandle<typeof account>;
  signal<Args extends unknown[]>(definition: SignalDefinition<Args>, ...args: Args): Promise<void>;
  query<Result>(definition: QueryDefinition<Result>): Promise<Result>;
  update<Result, Arg>(definition: UpdateDefinition<Result, [Arg]>, arg: Arg): Promise<Result>;
}

/**
 * Opens a session for the time of one command.
 * @param patience milliseconds that a server may take to answer at all of which nobody knows whether it is there.
 */
export async function withSession<T>(
  terminal: Terminal,
  work: (session: Session) => Promise<T>,
  patience?: number,
): Promise<T> {
  const { runtime, ...target } = await resolveTarget(terminal.env);
  // A process that runs here and says where its server is vouches for it: on a busy machine that one is waited for.
  const { client, connection } = await connectClient(target, runtime === null ? patience : PATIENCE_MS);
  const scale = runtime?.scale ?? REAL_TIME;
  const store = findStore(terminal.env, runtime);
  try {
    return await work({
      client,
      runtime,
      store,
      scale,
      now: () => simulatedNow(scale, Date.now()),
      author: terminal.env['HEADROOM_AUTHOR'] ?? userInfo().username,
      account: (name) => accountHandle(client, name),
    });
  } finally {
    await store?.close();
    await connection.close();
  }
}

function accountHandle(client: Client, name: string): AccountHandle {
  const handle = client.workflow.getHandle<typeof account>(accountWorkflowId(name));
  const told = async <T>(action: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await client.withDeadline(Date.now() + PATIENCE_MS, call);
    } catch (error) {
      throw explain(error, name, action);
    }
  };
  return {
    handle,
    signal: (definition, ...args) => told(`signalling ${definition.name}`, () => handle.signal(definition, ...args)),
    query: (definition) => told(`asking for ${definition.name}`, () => handle.query(definition)),
    update: (definition, arg) =>
      told(`updating ${definition.name}`, () => handle.executeUpdate(definition, { args: [arg] })),
  };
}

/** The worker answers queries and updates: an operator is told when none does, not left waiting. */
const PATIENCE_MS = 30_000;

const notRunning = (account: string, action: string): HeadroomError =>
  new HeadroomError({
    kind: 'not-found',
    component: 'cli',
    action: `${action} of ${account}`,
    problem: `account ${account} is not running`,
    remedy: '`headroom list` shows what runs; `headroom start` starts it',
  });

/**
 * The words of the validator, or who is missing; never a stack of the SDK's.
 * @param missing what to say where no such workflow runs.
 */
export function explain(
  error: unknown,
  account: string,
  action: string,
  missing: (account: string, action: string) => HeadroomError = notRunning,
): unknown {
  if (error instanceof WorkflowNotFoundError || error instanceof QueryRejectedError) return missing(account, action);
  if (error instanceof WorkflowUpdateFailedError) {
    const cause = error.cause;
    return new CommandFailure(
      EXIT.refused,
      cause instanceof ApplicationFailure || cause instanceof Error ? cause.message : error.message,
    );
  }
  const unanswered =
    error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
    isGrpcDeadlineError(error) ||
    error instanceof ServiceError;
  if (!unanswered) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return new HeadroomError({
    kind: 'unavailable',
    component: 'cli',
    action: `${action} of ${account}`,
    problem: `no worker answered (${cause instanceof Error ? cause.message : String(cause)})`,
    remedy: 'see that `headroom dev` or a worker runs, then try again; `headroom doctor` checks it',
    cause: error,
  });
}

/**
 * From `--for` or `--until` to a moment. Nothing that an operator sets lasts for ever.
 * @param fallback seconds, where neither is given.
 */
export function untilOf(options: { for?: string; until?: string }, now: EpochSeconds, fallback: number): EpochSeconds {
  const read = <T>(reader: () => T): T => {
    try {
      return reader();
    } catch (error) {
      throw new CommandFailure(EXIT.usage, error instanceof Error ? error.message : String(error));
    }
  };
  if (options.for !== undefined && options.until !== undefined) {
    throw new CommandFailure(EXIT.usage, 'give --for or --until, not both');
  }
  const { for: length, until } = options;
  if (length !== undefined) {
    const seconds = read(() => parseDuration(length));
    if (!(seconds > 0)) throw new CommandFailure(EXIT.usage, `--for ${length}: must be above 0`);
    return now + seconds;
  }
  if (until === undefined) return now + fallback;
  const moment = read(() => parseTime(until));
  if (moment <= now) throw new CommandFailure(EXIT.usage, `--until ${until} has passed already`);
  return moment;
}

/** A number from the command line. */
export function numberOf(text: string, what: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new CommandFailure(EXIT.usage, `${what}: "${text}" is not a number`);
  return value;
}
