import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { DEBIAN_PACKAGES, environmentOf, GO_MODULES, type DebianPackage, type GoModule } from './catalog.js';
import { cacheFolder, moduleHome, packageHome, ROOT } from './locate.js';

/*
 * `make servers-build`: gets or builds the servers that are not in the cache yet. Says every ten seconds how far it is.
 * Each result is renamed into the cache when it is whole, so that an interrupted build leaves nothing half done.
 */

const say = (text: string): void => void process.stderr.write(`servers: ${text}\n`);
const EVERY_MS = 10_000;
const KEPT_LINES = 30;

class Failure extends Error {
  constructor(
    readonly step: string,
    readonly problem: string,
    readonly remedy: string,
  ) {
    super(problem);
  }
}

const isThere = (home: string, tools: Readonly<Record<string, string>>): boolean =>
  Object.keys(tools).every((tool) => (process.env[environmentOf(tool)] ?? '') !== '' || existsSync(join(home, tool)));

/** Runs a command to its end; `tell` makes its progress out of the number of lines that it has printed. */
async function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv; tell: (lines: number, seconds: number) => string },
): Promise<void> {
  const started = Date.now();
  const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'pipe', 'pipe'] });
  let lines = 0;
  let last: string[] = [];
  const read = (chunk: Buffer): void => {
    const found = chunk
      .toString()
      .split('\n')
      .filter((line) => line.trim() !== '');
    lines += found.length;
    last = [...last, ...found].slice(-KEPT_LINES);
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const timer = setInterval(() => say(options.tell(lines, Math.round((Date.now() - started) / 1000))), EVERY_MS);
  const stop = (): void => void child.kill('SIGTERM');
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        if (code === 0) resolve();
        else reject(new Error(last.join('\n    ')));
      });
    });
  } finally {
    clearInterval(timer);
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** An empty folder beside the results, on the same file system, so that the rename is atomic. */
function workFolder(): string {
  mkdirSync(join(cacheFolder(), 'servers'), { recursive: true });
  return mkdtempSync(join(cacheFolder(), 'servers', 'building-'));
}

function publish(work: string, home: string): void {
  rmSync(home, { recursive: true, force: true });
  try {
    renameSync(work, home);
  } catch (error) {
    // Somebody else finished the same build meanwhile.
    if (!existsSync(home)) throw error;
  }
}

async function buildModule(module: GoModule): Promise<void> {
  const cwd = join(ROOT, 'infra', 'servers', module.folder);
  const title = `${module.name} ${module.version}`;
  const version = spawnSync('go', ['version'], { cwd, encoding: 'utf8' });
  if (version.status !== 0) {
    throw new Failure(
      title,
      'no Go compiler was found',
      'install Go 1.26 or newer (https://go.dev/dl), or name binaries of your own',
    );
  }
  const work = workFolder();
  const tools = mkdtempSync(join(cacheFolder(), 'servers', 'tools-'));
  try {
    const env: NodeJS.ProcessEnv = { ...process.env, CGO_ENABLED: module.needs === 'go' ? '0' : '1' };
    say(`${title}: fetching modules (go.sum pins what they are) …`);
    await run('go', ['mod', 'download'], {
      cwd,
      env,
      tell: (_, seconds) => `${title}: fetching modules, ${seconds} s`,
    });
    if (module.needs === 'go-and-rust') Object.assign(env, await fluxTools(cwd, tools, title));
    const symbols = Object.entries(module.symbols).map(([name, value]) => `-X ${name}=${value}`);
    const flags = [
      '-trimpath',
      '-buildvcs=false',
      '-ldflags',
      ['-s', '-w', ...symbols].join(' '),
      '-tags',
      module.tags.join(','),
    ];
    say(`${title}: building ${Object.keys(module.tools).join(', ')} …`);
    await run('go', ['build', '-v', ...flags, '-o', `${work}/`, ...Object.values(module.tools)], {
      cwd,
      env,
      tell: (lines, seconds) => `${title}: building, ${lines} packages compiled, ${seconds} s`,
    });
    for (const [tool, path] of Object.entries(module.tools)) {
      // Go names a binary by the last part of its package, a major version aside.
      const made = join(work, basename(path.replace(/\/v\d+$/, '')));
      if (made !== join(work, tool)) renameSync(made, join(work, tool));
    }
    for (const [name, { module: path, folder }] of Object.entries(module.files ?? {})) {
      const found = spawnSync('go', ['list', '-m', '-f', '{{.Dir}}', path], { cwd, encoding: 'utf8' });
      cpSync(join(found.stdout.trim(), folder), join(work, name), { recursive: true });
    }
    publish(work, moduleHome(module));
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(tools, { recursive: true, force: true });
  }
}

/** libflux is Rust behind a pkg-config of InfluxData's own; today's compiler warns where the crate forbids warnings. */
async function fluxTools(cwd: string, folder: string, title: string): Promise<NodeJS.ProcessEnv> {
  if (spawnSync('cargo', ['--version']).status !== 0) {
    throw new Failure(
      title,
      'no Rust compiler was found',
      'install Rust (https://rustup.rs), or set HEADROOM_INFLUXD to a binary of your own',
    );
  }
  await run('go', ['build', '-o', `${folder}/`, 'github.com/influxdata/pkg-config'], {
    cwd,
    tell: (_, seconds) => `${title}: its pkg-config, ${seconds} s`,
  });
  const wrapper = join(folder, 'rustc');
  writeFileSync(wrapper, '#!/bin/sh\nexec "$@" --cap-lints allow\n');
  chmodSync(wrapper, 0o755);
  return {
    PKG_CONFIG: join(folder, 'pkg-config'),
    RUSTC_WRAPPER: wrapper,
    RUSTUP_TOOLCHAIN: process.env['RUSTUP_TOOLCHAIN'] ?? 'stable',
  };
}

async function fetchPackage(wanted: DebianPackage): Promise<void> {
  const work = workFolder();
  try {
    // Installed already? Then its files are taken as they are.
    const installed = Object.values(wanted.tools).every((path) => existsSync(`/${path}`));
    if (!installed) {
      say(`${wanted.name}: fetching the Debian package …`);
      const fetch = (): Promise<void> =>
        run('apt-get', ['download', wanted.package], { cwd: work, tell: (_, s) => `${wanted.name}: fetching, ${s} s` });
      try {
        await fetch().catch(async () => {
          // A fresh container has no package lists.
          await run('apt-get', ['update'], { cwd: work, tell: (_, s) => `${wanted.name}: package lists, ${s} s` });
          await fetch();
        });
      } catch (error) {
        throw new Failure(
          wanted.name,
          error instanceof Error ? error.message : String(error),
          `install ${wanted.package} (apt-get install ${wanted.package}), or set ${Object.keys(wanted.tools).map(environmentOf).join(' and ')}`,
        );
      }
      const file = readdirSync(work).find((name) => name.endsWith('.deb'));
      if (file === undefined)
        throw new Failure(wanted.name, 'apt-get left no package', `apt-get install ${wanted.package}`);
      await run('dpkg-deb', ['-x', join(work, file), join(work, 'package')], { cwd: work, tell: () => 'unpacking' });
    }
    const from = installed ? '/' : join(work, 'package');
    const home = packageHome(wanted.name);
    const result = workFolder();
    for (const [tool, path] of Object.entries(wanted.tools)) cpSync(join(from, path), join(result, tool));
    publish(result, home);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Everything that is asked for and not there yet, one after the other: each build uses all cores by itself. */
export async function provide(names: readonly string[]): Promise<void> {
  const began = Date.now();
  let made = 0;
  for (const module of GO_MODULES.filter(({ name }) => names.includes(name))) {
    if (isThere(moduleHome(module), module.tools)) continue;
    await buildModule(module);
    made += 1;
  }
  for (const wanted of DEBIAN_PACKAGES.filter(({ name }) => names.includes(name))) {
    if (isThere(packageHome(wanted.name), wanted.tools)) continue;
    await fetchPackage(wanted);
    made += 1;
  }
  if (made > 0) say(`ready after ${Math.round((Date.now() - began) / 1000)} s, in ${join(cacheFolder(), 'servers')}`);
}

export const COMMON = ['kubernetes', 'influxdb', 'prometheus', 'faketime'];
/** What `make test-peers` sets beside Headroom: some twenty minutes to build on two cores. */
export const PEERS = ['karpenter', 'keda'];

if (process.argv[1]?.endsWith('provide.js') === true) {
  const named = process.argv.slice(2);
  try {
    await provide(named.length === 0 ? COMMON : named.flatMap((name) => (name === 'peers' ? PEERS : [name])));
  } catch (error) {
    const failure = error instanceof Failure ? error : null;
    process.stderr.write(
      `\nservers: ${failure?.step ?? 'getting the servers'} failed: ${String(error instanceof Error ? error.message : error)}\n`,
    );
    if (failure !== null) process.stderr.write(`  what to do: ${failure.remedy}\n`);
    process.exitCode = 5;
  }
}
