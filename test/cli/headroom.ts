import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import type { z } from 'zod';
import { main } from '../../src/cli/main.js';
import type { ScenarioFile } from '../../src/cluster/simulated/scenario.js';
import { findTool } from '../../src/temporal/home.js';

/* The built command as its users run it: a process, in a home folder of its own. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(root, 'bin', 'headroom');

const built = existsSync(join(root, 'dist', 'src', 'cli', 'main.js'));
const temporal = await findTool('temporal', process.env);

/** Why a test of the built command is skipped; null where it is not. */
export const NOT_BUILT = built ? null : 'dist/ is not built (make setup)';
/** Why a test of a running headroom is skipped; null where it is not. */
export const NO_SERVER = NOT_BUILT ?? (temporal === undefined ? 'no temporal binary is there (make setup)' : null);
export const because = (reason: string | null): string => (reason === null ? '' : ` (skipped: ${reason})`);

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

/**
 * The same command without the process around it, from the sources: for the many ways to be refused, each of which
 * would cost half a second of loading.
 */
export async function within(env: NodeJS.ProcessEnv, ...argv: string[]): Promise<Ran> {
  let out = '';
  let err = '';
  const line = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`);
  const code = await main(argv, {
    out: (text) => void (out += line(text)),
    err: (text) => void (err += line(text)),
    color: pc.createColors(false),
    interactive: false,
    env,
    cwd: tmpdir(),
  });
  return { code, out, err };
}

/** The environment of a process under test: nothing of the caller's own Temporal or Headroom settings gets in. */
export function environment(home: string, extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(TEMPORAL_|HEADROOM_(HOME|STORE|AUTHOR|DEBUG|SIMULATOR)|INFLUX_|PROMETHEUS_|KUBECONFIG|KUBERNETES_|NO_COLOR|FORCE_COLOR)/.test(
        name,
      ),
  );
  return {
    ...Object.fromEntries(inherited),
    ...(temporal === undefined ? {} : { HEADROOM_TEMPORAL: temporal }),
    HEADROOM_HOME: home,
    HEADROOM_AUTHOR: 'ada',
    ...extra,
  };
}

/** Runs one command to its end; standard input is closed, as in a script. */
export async function headroom(env: NodeJS.ProcessEnv, ...argv: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [BIN, ...argv], { env, cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}

/** Runs a command with --json and reads its answer, which has to be all that stands on standard output. */
export async function json<T>(env: NodeJS.ProcessEnv, schema: z.ZodType<T>, ...argv: string[]): Promise<T> {
  const ran = await headroom(env, ...argv, '--json');
  if (ran.code !== 0) throw new Error(`headroom ${argv.join(' ')} ended with ${ran.code}: ${ran.err}`);
  return schema.parse(JSON.parse(ran.out));
}

export interface DevProcess {
  child: ChildProcess;
  /** All that it said so far. */
  said(): string;
  /** Ends it in order and answers its exit code. */
  stop(): Promise<number | null>;
  /** As the kernel does when memory is short. */
  kill(): Promise<void>;
}

/** Starts `headroom dev` and waits until it is ready. */
export async function startHeadroomDev(env: NodeJS.ProcessEnv, ...argv: string[]): Promise<DevProcess> {
  const child = spawn(process.execPath, [BIN, 'dev', ...argv], {
    env,
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'exit');
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await ended;
  };
  await until('headroom dev is ready', () => {
    if (child.exitCode !== null) throw new Error(`headroom dev ended with ${child.exitCode}: ${said}`);
    return said.includes('ready:');
  });
  return {
    child,
    said: () => said,
    stop: async () => {
      await end('SIGTERM');
      return child.exitCode;
    },
    kill: () => end('SIGKILL'),
  };
}

/** A machine of CI may be several times slower than a desk: what has come about by then was never going to be late. */
const PATIENCE_MS = 300_000;

/** Looks again and again until it is so. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  { patience = PATIENCE_MS, every = 100 }: { patience?: number; every?: number } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + patience;
  for (;;) {
    const seen = await look();
    if (seen !== false && seen !== null && seen !== undefined) return seen as NonNullable<Exclude<T, false>>;
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
    await delay(every);
  }
}

export interface Folder {
  path: string;
  write(name: string, text: string): Promise<string>;
  remove(): Promise<void>;
}

export async function temporaryFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), 'headroom-process-'));
  return {
    path,
    async write(name, text) {
      const file = join(path, name);
      await writeFile(file, text);
      return file;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** A workload of two replicas on one node, with a steady demand that they easily carry. */
export function steadyScenario(
  accounts: readonly string[],
  options: { mode: 'held' | 'run'; factor?: number },
): string {
  const file: ScenarioFile = {
    version: 'headroom-scenario/v1',
    clock: {
      start: '2026-06-01T00:00:00Z',
      mode: options.mode,
      history: '1d',
      ...(options.factor === undefined ? {} : { factor: options.factor }),
    },
    pools: accounts.map((account) => ({
      name: `${account}-pool`,
      node: { cpu: 4, memory: '16Gi' },
      pricePerHour: 0.2,
      nodes: 1,
      max: 20,
      provision: { median: '60s' },
    })),
    accounts: accounts.map((account) => ({
      name: account,
      workloads: [
        {
          name: 'web',
          replicas: 2,
          components: { cpu: { request: '500m', demand: { step: '1h', values: [0.6, 0.62, 0.61, 0.6] } } },
          podStart: { median: '30s' },
          pools: [`${account}-pool`],
        },
      ],
    })),
  };
  return JSON.stringify(file);
}

/**
 * The account that belongs to it. With `raised`, its minimum is above what runs, so that its first plan writes two
 * fields: nodes 1 → 2, replicas 2 → 4.
 */
export function accountFile(
  account: string,
  settings: {
    mode: 'observe' | 'recommend' | 'approve' | 'auto';
    raised: boolean;
    min?: number;
    max?: number;
    cycle?: string;
    budget?: number;
    /** A further workload, which the scenario does not have. */
    absent?: boolean;
    verification?: string;
    /** After a change that went back, or a plan that was rejected. */
    coolDown?: string;
  },
): string {
  const {
    mode,
    raised,
    min = raised ? 4 : 2,
    max = 10,
    cycle = '5m',
    budget,
    absent = false,
    verification = '10m',
    coolDown = '10m',
  } = settings;
  return `version: headroom/v1
account: ${account}
mode: ${mode}
ownership: own
currency: EUR
cycle: ${cycle}
step: 5m
history: 7d
coolDown: ${coolDown}
approvalWithin: 7d
${budget === undefined ? '' : `budget: { perHour: ${budget} }`}
workloads:
  - name: web
    components: { cpu: { request: 500m } }
    replicas: { min: ${min}, max: ${max} }
    leadTime: 1m
    verification:
      for: ${verification}
      every: 2m
      checks: [{ metric: error_rate, max: 0.05 }]
${absent ? '  - { name: absent, components: { cpu: { request: 500m } }, replicas: { min: 1, max: 3 } }' : ''}
pools:
  - { name: ${account}-pool, pricePerHour: 0.2, node: { cpu: 4, memory: 16Gi }, min: ${raised ? 2 : 1}, max: 20, leadTime: 2m }
`;
}
