import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { HeadroomError } from '../domain/errors.js';

/** The checkout, or the folder that the package was unpacked into: the nearest one above with a package.json. */
export const PACKAGE_ROOT = ((): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
})();

/** Where one running Headroom keeps what is its own: HEADROOM_HOME, or `.headroom` of the checkout. */
export const homeFolder = (env: NodeJS.ProcessEnv): string =>
  resolve(env['HEADROOM_HOME'] ?? join(PACKAGE_ROOT, '.headroom'));

/** Where fetched tools are shared between checkouts. */
export const cacheFolder = (env: NodeJS.ProcessEnv): string =>
  env['HEADROOM_CACHE'] ?? join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headroom');

const runtimeSchema = z.object({
  /** The process that owns the store. */
  pid: z.int(),
  storeUrl: z.string(),
  storeToken: z.string(),
  temporalAddress: z.string(),
  namespace: z.string(),
  temporalUi: z.string().nullable(),
  /** The simulated cluster, where there is one. */
  clusterUrl: z.string().nullable(),
  clusterToken: z.string().nullable(),
  scale: z.object({ wallEpochMs: z.number(), epoch: z.number(), factor: z.number() }),
  queues: z.object({ light: z.string(), compute: z.string(), cluster: z.string() }),
  /** How it was started: `headroom dev --speed 60`; absent in files of earlier releases. */
  startedBy: z.string().optional(),
});

/** What a running `headroom dev` or worker tells the other commands: where it listens, and with which token. */
export type RuntimeFile = z.infer<typeof runtimeSchema>;

const runtimePath = (home: string): string => join(home, 'run.json');

/** Written with mode 0600 and renamed into place: a reader sees a whole file or none. */
export async function writeRuntimeFile(home: string, runtime: RuntimeFile): Promise<void> {
  await mkdir(home, { recursive: true });
  const draft = `${runtimePath(home)}.${process.pid}`;
  await writeFile(draft, JSON.stringify(runtime, null, 2), { mode: 0o600 });
  await rename(draft, runtimePath(home));
}

export async function removeRuntimeFile(home: string): Promise<void> {
  await rm(runtimePath(home), { force: true });
}

/** One that ended without a word (it was killed, its machine was restarted) leaves its file behind: what that said. */
export async function readLeftBehind(home: string): Promise<Pick<RuntimeFile, 'pid' | 'startedBy'> | null> {
  const text = await readFile(runtimePath(home), 'utf8').catch(() => 'null');
  try {
    const parsed = runtimeSchema.safeParse(JSON.parse(text));
    if (!parsed.success || runs(parsed.data)) return null;
    const { pid, startedBy } = parsed.data;
    return { pid, ...(startedBy === undefined ? {} : { startedBy }) };
  } catch {
    return null;
  }
}

/** In a container every first process has number 1: a file with one's own number was left by one who was killed. */
const runs = ({ pid }: RuntimeFile): boolean => pid !== process.pid && isAlive(pid);

/** The command line of this process, as a person would type it. What holds a secret is given by the environment alone. */
export const commandLine = (argv: readonly string[] = process.argv): string =>
  ['headroom', ...argv.slice(2)].map((part) => (/^[-\w./:=@,]+$/.test(part) ? part : JSON.stringify(part))).join(' ');

/** Null where nothing runs, or what ran is dead. */
export async function readRuntimeFile(home: string): Promise<RuntimeFile | null> {
  if (!existsSync(runtimePath(home))) return null;
  const text = await readFile(runtimePath(home), 'utf8');
  const unreadable = (problem: string): HeadroomError =>
    new HeadroomError({
      kind: 'invalid-input',
      component: 'temporal/home',
      action: `reading ${runtimePath(home)}`,
      problem,
      remedy: 'end the running headroom and delete the file',
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(String(error));
  }
  const parsed = runtimeSchema.safeParse(value);
  if (!parsed.success) throw unreadable(z.prettifyError(parsed.error));
  return runs(parsed.data) ? parsed.data : null;
}

/** Signal 0 asks whether a process exists, without touching it. One that ended and waits for its parent is dead. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return !isZombie(pid);
}

/** In a container whose first process collects nobody, what was killed stays in the table for ever. */
function isZombie(pid: number): boolean {
  try {
    // `pid (name) state …`; the name may hold anything, brackets too.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

export const newToken = (): string => randomBytes(24).toString('hex');

const toolSchema = z.record(z.string(), z.object({ version: z.string(), file: z.string(), environment: z.string() }));

/**
 * Path of a Temporal server: named by the environment, on PATH, or in the cache of `make setup`.
 * @returns undefined where there is none; the SDK can then try its own download.
 */
export async function findTool(
  name: 'temporal' | 'temporal-test-server',
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const tools = toolSchema.parse(JSON.parse(await readFile(join(PACKAGE_ROOT, 'infra', 'tools.json'), 'utf8')));
  const tool = tools[name];
  if (tool === undefined) return undefined;
  const named = env[tool.environment];
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return named;
    throw new HeadroomError({
      kind: 'not-found',
      component: 'temporal/home',
      action: `finding ${tool.file}`,
      problem: `${tool.environment} names ${named}, which is not there`,
      remedy: `correct or unset ${tool.environment}`,
    });
  }
  const candidates = [
    ...(env['PATH'] ?? '')
      .split(delimiter)
      .filter((folder) => folder !== '')
      .map((folder) => join(folder, tool.file)),
    join(cacheFolder(env), `${tool.file}-${tool.version}`, tool.file),
  ];
  return candidates.find((path) => existsSync(path));
}
