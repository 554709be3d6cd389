import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection, type WorkflowClientInterceptor } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnection, NativeConnectionOptions } from '@temporalio/worker';
import { HeadroomError } from '../domain/errors.js';
import { AHEAD } from '../../workflows/ahead.js';
import { homeFolder, readLeftBehind, readRuntimeFile, type RuntimeFile } from './home.js';

/** Where the Temporal server is, and how to speak to it. */
export interface TemporalTarget {
  options: NativeConnectionOptions;
  namespace: string;
  /** The headroom that ran here, and is gone without having ended: nothing was named, and nothing else was found. */
  gone?: { pid: number; startedBy?: string | undefined; home: string };
}

/** Named by the environment itself; a configuration file alone does not turn a local trial to a server far away. */
const isNamed = (env: NodeJS.ProcessEnv): boolean =>
  [env['TEMPORAL_ADDRESS'], env['TEMPORAL_PROFILE']].some((value) => value !== undefined && value !== '');

function configuredTarget(env: NodeJS.ProcessEnv) {
  const overrideEnvVars = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    return loadClientConnectConfig({ overrideEnvVars });
  } catch (error) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'temporal/connection',
      action: 'reading Temporal’s environment configuration',
      problem: error instanceof Error ? error.message : String(error),
      remedy: 'correct TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE or the file that they name',
      cause: error,
    });
  }
}

const DEFAULT_ADDRESS = '127.0.0.1:7233';

/** The server that TEMPORAL_ADDRESS or TEMPORAL_PROFILE names; null where neither is set. */
export function namedTarget(env: NodeJS.ProcessEnv): TemporalTarget | null {
  if (!isNamed(env)) return null;
  const { connectionOptions, namespace } = configuredTarget(env);
  const address = connectionOptions.address ?? DEFAULT_ADDRESS;
  return { options: { ...connectionOptions, address }, namespace: namespace ?? 'default' };
}

/**
 * Temporal's own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_PROFILE, TLS, API key, namespace, its TOML file)
 * where the environment names a server; else a running headroom; else the configuration file, or the server's default
 * address. `runtime` is the headroom that runs here, where it is on that same server.
 */
export async function resolveTarget(env: NodeJS.ProcessEnv): Promise<TemporalTarget & { runtime: RuntimeFile | null }> {
  const home = homeFolder(env);
  const runtime = await readRuntimeFile(home);
  const { connectionOptions, namespace } = configuredTarget(env);
  const configured = connectionOptions.address ?? DEFAULT_ADDRESS;
  if (runtime === null || isNamed(env) || configured === runtime.temporalAddress) {
    const here = runtime !== null && configured === runtime.temporalAddress;
    const isNobodys = runtime === null && !isNamed(env) && connectionOptions.address === undefined;
    const left = isNobodys ? await readLeftBehind(home) : null;
    return {
      ...(left === null ? {} : { gone: { ...left, home } }),
      options: { ...connectionOptions, address: configured },
      namespace: namespace ?? (here ? runtime.namespace : 'default'),
      runtime: here ? runtime : null,
    };
  }
  return { options: { address: runtime.temporalAddress }, namespace: runtime.namespace, runtime };
}

const TIMES = 5;

/** A query that came ahead of its task (workflows/ahead.ts) has its answer a moment later. */
export const askedAgain: NonNullable<WorkflowClientInterceptor['query']> = async (input, next) => {
  for (let time = 1; ; time++) {
    try {
      return await next(input);
    } catch (error) {
      if (time === TIMES || !(error instanceof Error) || !error.message.includes(AHEAD)) throw error;
      await delay(200 * time);
    }
  }
};

function outOfReach({ options, gone }: TemporalTarget, cause: unknown): HeadroomError {
  const base = { kind: 'unavailable' as const, component: 'temporal/connection', cause };
  if (gone !== undefined) {
    const { pid, startedBy = 'headroom dev', home } = gone;
    return new HeadroomError({
      ...{ ...base, action: 'finding the headroom that ran here' },
      problem: `process ${pid} is gone without having ended (killed, or its machine was restarted)`,
      remedy: `start it again: \`${startedBy}\`; what it kept in ${home} is still there`,
    });
  }
  return new HeadroomError({
    ...{ ...base, action: `connecting to Temporal at ${options.address ?? ''}` },
    problem: cause instanceof Error ? cause.message : String(cause),
    remedy: 'start `headroom dev`, or set TEMPORAL_ADDRESS (or a profile) to your server',
  });
}

/**
 * A client and the connection that it stands on, which the caller closes.
 * @param connectTimeout milliseconds.
 */
export async function connectClient(
  target: TemporalTarget,
  connectTimeout = 5000,
): Promise<{ client: Client; connection: Connection }> {
  try {
    const connection = await Connection.connect({ ...target.options, connectTimeout });
    const client = new Client({
      connection,
      namespace: target.namespace,
      // A closed history could still be asked, and would answer as if it ran.
      workflow: { queryRejectCondition: 'NOT_OPEN' },
      interceptors: { workflow: [{ query: askedAgain }] },
    });
    return { client, connection };
  } catch (error) {
    throw outOfReach(target, error);
  }
}

/** For workers; the native part is loaded here, so that a command which only asks starts fast. */
export async function connectWorker(target: TemporalTarget): Promise<NativeConnection> {
  const { NativeConnection } = await import('@temporalio/worker');
  try {
    return await NativeConnection.connect(target.options);
  } catch (error) {
    throw outOfReach(target, error);
  }
}
