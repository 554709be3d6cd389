import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HeadroomError } from '../src/domain/errors.js';
import { checkoutRoot } from './result.js';

/** Where a bench keeps what a peer needs, and what peers run with there. */
export interface PythonPeer {
  folder: string;
  /** The Python of its virtual environment. */
  python: string;
  /** A file of the bench's own folder. */
  source(file: string): string;
  /** Makes the environment with the pinned packages, once. @throws HeadroomError `unavailable` */
  provide(): void;
}

/**
 * @param bench its folder under bench/, where requirements.txt is.
 * @param peer what is installed, in words; `probe` the package to try by hand, `version` of Python.
 */
export function pythonPeer(
  bench: string,
  { peer, probe, version }: Record<'peer' | 'probe' | 'version', string>,
): PythonPeer {
  const cache =
    process.env['HEADROOM_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headroom');
  const folder = join(cache, `bench-${bench}`);
  const python = join(folder, 'venv', 'bin', 'python');
  const source = (file: string): string => join(checkoutRoot(), 'bench', bench, file);
  const provide = (): void => {
    const wanted = readFileSync(source('requirements.txt'), 'utf8');
    const stamp = join(folder, 'requirements.txt');
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
    mkdirSync(folder, { recursive: true });
    try {
      execFileSync(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', join(folder, 'venv')], { stdio: 'inherit' });
      execFileSync(python, ['-m', 'pip', 'install', '--quiet', '-r', source('requirements.txt')], { stdio: 'inherit' });
    } catch (error) {
      throw new HeadroomError({
        kind: 'unavailable',
        component: `bench/${bench}`,
        action: `installing ${peer}`,
        problem: error instanceof Error ? error.message : String(error),
        remedy: `check ${version} and that the package index is in reach (pip download ${probe})`,
      });
    }
    writeFileSync(stamp, wanted);
  };
  return { folder, python, source, provide };
}
