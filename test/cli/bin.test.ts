import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

/* `bin/headroom` is a line of shell before it is a program: what is lost there, no command ever sees. */

const BIN = fileURLToPath(new URL('../../bin/headroom', import.meta.url));

describe('bin/headroom', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headroom-bin-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  // Stands in for node, and says how it was called.
  writeFileSync(
    join(folder, 'node'),
    '#!/bin/sh\necho "arenas=${MALLOC_ARENA_MAX:-}"\nfor one in "$@"; do echo "$one"; done\n',
  );
  chmodSync(join(folder, 'node'), 0o755);
  const link = join(folder, 'headroom');
  symlinkSync(BIN, link);

  const call = (file: string, args: string[], env: Record<string, string> = {}): string[] => {
    const { MALLOC_ARENA_MAX: _, ...rest } = process.env;
    const PATH = [folder, process.env.PATH].join(delimiter);
    const { stdout, status } = spawnSync(file, args, { encoding: 'utf8', env: { ...rest, PATH, ...env } });
    expect(status).toBe(0);
    return stdout.trimEnd().split('\n');
  };
  const heaps = ['--max-semi-space-size=8', '--heap-growing-percent=40'];

  const rows: [name: string, args: string[], env: Record<string, string>, called: string[]][] = [
    ['a worker keeps its memory small', ['worker'], {}, ['arenas=2', ...heaps, BIN, 'worker']],
    ['so does dev', ['dev', '--home', 'a b'], {}, ['arenas=2', ...heaps, BIN, 'dev', '--home', 'a b']],
    ['what the user set stands', ['dev'], { MALLOC_ARENA_MAX: '7' }, ['arenas=7', ...heaps, BIN, 'dev']],
    ['other commands run as they are', ['why', 'acme', '*'], {}, ['arenas=', BIN, 'why', 'acme', '*']],
    ['no command is no error of the shell', [], {}, ['arenas=', BIN]],
  ];
  it.each(rows)('%s', (_name, args, env, called) => {
    expect(call(BIN, args, env)).toEqual(called);
  });

  it('runs through a link, as npm installs it', () => {
    expect(call(link, ['list'])).toEqual(['arenas=', link, 'list']);
  });
});
