import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, type NativeConnectionOptions } from '@temporalio/worker';
import { HeadroomError } from '../domain/errors.js';
import { homeFolder, readRuntimeFile, type RuntimeFile } from './home.js';

/** Where the Temporal server is, and how to speak to it. */
export interface TemporalTarget {
  options: NativeConnectionOptions;
  namespace: string;
}

/**
 * Temporal's own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_PROFILE, TLS, API key, namespace, its TOML file)
 * comes first; without an address there, a running `headroom dev`; then the server's default address.
 */
export async function resolveTarget(env: NodeJS.ProcessEnv): Promise<TemporalTarget & { runtime: RuntimeFile | null }> {
  const runtime = await readRuntimeFile(homeFolder(env));
  const overrideEnvVars = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const configured = loadClientConnectConfig({ overrideEnvVars });
  const address = configured.connectionOptions.address ?? runtime?.temporalAddress ?? '127.0.0.1:7233';
  return {
    options: { ...configured.connectionOptions, address },
    namespace: configured.namespace ?? runtime?.namespace ?? 'default',
    runtime: configured.connectionOptions.address === undefined ? runtime : null,
  };
}

const outOfReach = (target: TemporalTarget, error: unknown): HeadroomError =>
  new HeadroomError({
    kind: 'unavailable',
    component: 'temporal/connection',
    action: `connecting to Temporal at ${target.options.address ?? ''}`,
    problem: error instanceof Error ? error.message : String(error),
    remedy: 'start `headroom dev`, or set TEMPORAL_ADDRESS (or a profile) to your server',
    cause: error,
  });

/** A client and the connection that it stands on, which the caller closes. */
export async function connectClient(target: TemporalTarget): Promise<{ client: Client; connection: Connection }> {
  try {
    const connection = await Connection.connect({ ...target.options, connectTimeout: 5000 });
    return { client: new Client({ connection, namespace: target.namespace }), connection };
  } catch (error) {
    throw outOfReach(target, error);
  }
}

/** For workers. */
export async function connectWorker(target: TemporalTarget): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(target.options);
  } catch (error) {
    throw outOfReach(target, error);
  }
}
