#!/usr/bin/env node
// `make tensorflow`: TensorFlow's native binding for Node, out of registry packages alone: the npm package without its
// install script (which downloads from the vendor), libtensorflow and its headers out of the PyPI wheel, the binding
// compiled by the node-gyp that comes with npm. The result lies in the cache; src/forecast/neural/backend.ts finds it there.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const cache = process.env.HEADROOM_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'headroom');
/** The folder's name is known to src/forecast/neural/backend.ts. */
const home = join(cache, 'tensorflow-4.22.0');
const WHEEL = {
  package: 'tensorflow-cpu',
  version: '2.15.1',
  sha256: '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26',
  python: '3.11',
  platform: 'manylinux2014_x86_64',
};
const BINDING = join('node_modules', '@tensorflow', 'tfjs-node');
const say = (text) => process.stderr.write(`tensorflow: ${text}\n`);

function fail(step, problem, remedy) {
  const lines = problem.trim().split('\n').slice(-12).join('\n    ');
  process.stderr.write(`\ntensorflow: ${step} failed: ${lines}\n  what to do: ${remedy}\n`);
  process.stderr.write('  until then training runs on WebAssembly, which needs nothing\n');
  process.exit(5);
}

function run(step, command, args, options, remedy) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 28, ...options });
  if (result.status !== 0) {
    fail(step, `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`, remedy);
  }
  return result.stdout;
}

/** Whether the binding in a folder loads and multiplies, in a process of its own. */
function works(folder) {
  const script = `const tf = require('${BINDING.replaceAll('\\', '/').replace('node_modules/', '')}');
    process.exit(tf.matMul([[2]], [[3]]).dataSync()[0] === 6 ? 0 : 1)`;
  const result = spawnSync(process.execPath, ['-e', script], { cwd: folder, stdio: 'ignore' });
  return result.status === 0;
}

function nodeGyp() {
  for (const folder of [dirname(process.execPath), ...(process.env.PATH ?? '').split(delimiter)]) {
    const npm = join(folder, 'npm');
    if (!existsSync(npm)) continue;
    // …/npm/bin/npm-cli.js
    const found = join(dirname(dirname(realpathSync(npm))), 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    if (existsSync(found)) return found;
  }
  return fail('finding node-gyp', 'the npm on PATH has none inside', 'use the npm that comes with Node');
}

function checkPlatform() {
  const major = Number(process.versions.node.split('.')[0]);
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    fail(
      'checking the platform',
      `${process.platform} ${process.arch}: the wheel is for linux x64`,
      'let npm install @tensorflow/tfjs-node with its own download',
    );
  }
  if (major >= 23) {
    fail('checking Node', `@tensorflow/tfjs-node 4.22.0 does not run on Node ${major}`, 'use Node 20 or 22');
  }
}

function fetchWheel(work) {
  say(`fetching ${WHEEL.package} ${WHEEL.version} (PyPI, hash checked, 200 MB) …`);
  const requirements = join(work, 'requirements.txt');
  writeFileSync(requirements, `${WHEEL.package}==${WHEEL.version} --hash=sha256:${WHEEL.sha256}\n`);
  const python = process.env.PYTHON ?? 'python3';
  const choose = ['--python-version', WHEEL.python, '--implementation', 'cp', '--platform', WHEEL.platform];
  const download = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--require-hashes'];
  run(
    'pip download',
    python,
    [...download, '--only-binary=:all:', ...choose, '--dest', work, '--requirement', requirements],
    {},
    'check that PyPI is in reach (python3 -m pip download tensorflow-cpu==2.15.1 --no-deps), then run the same again',
  );
  const wheel = readdirSync(work).find((name) => name.endsWith('.whl'));
  const unpacked = join(work, 'wheel');
  run(
    'unpacking',
    python,
    ['-m', 'zipfile', '-e', join(work, wheel), unpacked],
    {},
    'check the free disk space (2 GB)',
  );
  return join(unpacked, 'tensorflow');
}

function build() {
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'tensorflow-building-'));
  try {
    const target = join(work, 'home');
    mkdirSync(target);
    for (const name of ['package.json', 'package-lock.json']) cpSync(join(here, name), join(target, name));
    say('installing @tensorflow/tfjs-node 4.22.0 without its install script …');
    const ci = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    run('npm ci', 'npm', ci, { cwd: target }, 'check that the npm registry is in reach (npm ping), then run again');
    const tensorflow = fetchWheel(work);
    const addon = join(target, BINDING);
    const library = join(addon, 'deps', 'lib');
    mkdirSync(library, { recursive: true });
    renameSync(join(tensorflow, 'include'), join(addon, 'deps', 'include'));
    // The binding links by the C library's names; the wheel has the C interface inside the C++ library.
    renameSync(join(tensorflow, 'libtensorflow_cc.so.2'), join(library, 'libtensorflow.so.2'));
    renameSync(join(tensorflow, 'libtensorflow_framework.so.2'), join(library, 'libtensorflow_framework.so.2'));
    for (const [link, to] of [
      ['libtensorflow.so', 'libtensorflow.so.2'],
      ['libtensorflow_cc.so.2', 'libtensorflow.so.2'],
      ['libtensorflow_framework.so', 'libtensorflow_framework.so.2'],
    ]) {
      symlinkSync(to, join(library, link));
    }
    say('compiling the binding (about a minute) …');
    // Headers beside Node itself where it has them: node-gyp would download them otherwise.
    const prefix = dirname(dirname(realpathSync(process.execPath)));
    const nodedir = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
    const names = ['--module_name=tfjs_binding', `--module_path=${join(addon, 'lib', 'napi-v8')}`];
    run(
      'node-gyp',
      process.execPath,
      [nodeGyp(), 'rebuild', ...nodedir, ...names, '--napi_build_version=8'],
      { cwd: addon },
      'install a C++ compiler, make and Python 3 (Debian: build-essential), then run again',
    );
    // Headers and objects are of no use after this: 100 MB.
    for (const name of ['build', join('deps', 'include')]) rmSync(join(addon, name), { recursive: true, force: true });
    if (!works(target)) fail('loading it', 'the binding was built and does not load', 'train on WebAssembly');
    rmSync(home, { recursive: true, force: true });
    renameSync(target, home);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

checkPlatform();
if (works(home)) {
  say(`is there: ${home}`);
} else {
  const started = Date.now();
  build();
  say(`built in ${Math.round((Date.now() - started) / 1000)} s: ${home}`);
}
