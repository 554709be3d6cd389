import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { HeadroomError } from '../../src/domain/errors.js';
import { connectSimulatedCluster, type RemoteSimulation } from '../../src/cluster/simulated/client.js';

const lineSchema = z.object({ url: z.string(), pid: z.number(), token: z.string() });

export interface SpawnedSimulation {
  simulation: RemoteSimulation;
  /** What others connect with. */
  url: string;
  token: string;
  process: ChildProcess;
}

/**
 * Starts the simulated cluster as a process of its own, which ends with this one, and connects to it. With the same
 * `state` it stands where it stood.
 * @throws HeadroomError `invalid-input` with what the process said, where it does not come up.
 */
export async function spawnSimulatedCluster(options: {
  scenario: string;
  state?: string;
  port?: number;
  /** The built program. */
  server: string;
}): Promise<SpawnedSimulation> {
  const { scenario, state, port = 0, server } = options;
  const stateArguments = state === undefined ? [] : ['--state', state];
  const child = spawn(
    process.execPath,
    [server, '--with-parent', '--scenario', scenario, '--port', String(port), ...stateArguments],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(said.trim() || `it ended with code ${code}`)));
  }).catch((cause: unknown) => {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'cluster/simulated',
      action: `starting the process for scenario ${scenario}`,
      problem: cause instanceof Error ? cause.message : String(cause),
      remedy: 'correct what it names, and start it again',
      cause,
    });
  });
  const { url, token } = lineSchema.parse(JSON.parse(line));
  return { simulation: await connectSimulatedCluster({ url, token }), url, token, process: child };
}
