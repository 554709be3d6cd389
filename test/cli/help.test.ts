import { beforeAll, describe, expect, it } from 'vitest';
import { because, environment, headroom, NOT_BUILT, within, type Ran } from './headroom.js';

const env = environment('/nonexistent/headroom-home');
const ANSI = new RegExp(String.fromCharCode(27));

/** Commands as the program itself lists them, so that a new one is checked from the day that it is there. */
const listed = (help: string): string[] => {
  const lines = help.split('\n');
  const from = lines.findIndex((line) => line === 'Commands:');
  if (from < 0) return [];
  const rest = lines.slice(from + 1);
  const to = rest.findIndex((line) => line.trim() === '');
  return (to < 0 ? rest : rest.slice(0, to)).flatMap((line) => /^ {2}([a-z]+)/.exec(line)?.[1] ?? []);
};

const NAMED = [
  ...['dev', 'worker', 'start', 'stop', 'list', 'status', 'plan', 'why', 'history', 'pause', 'resume', 'freeze'],
  ...['unfreeze', 'override', 'approve', 'reject', 'announce', 'policy', 'import', 'forecast', 'backtest', 'doctor'],
  'completion',
];

describe.skipIf(NOT_BUILT !== null)(`headroom --help${because(NOT_BUILT)}`, () => {
  const helps = new Map<string, Ran>();
  beforeAll(async () => {
    const top = await within(env, '--help');
    helps.set('', top);
    for (const name of listed(top.out).filter((one) => one !== 'help')) {
      const help = await within(env, name, '--help');
      helps.set(name, help);
      for (const child of listed(help.out).filter((one) => one !== 'help')) {
        helps.set(`${name} ${child}`, await within(env, name, child, '--help'));
      }
    }
  });

  it('lists every command, and the exit codes', () => {
    const top = helps.get('');
    expect(top?.code).toBe(0);
    expect(listed(top?.out ?? '')).toEqual(expect.arrayContaining(NAMED));
    expect(top?.out).toContain('Exit codes: 0 done');
    expect([...helps.keys()]).toEqual(expect.arrayContaining(['policy show', 'policy set', 'import csv']));
  });

  it('gives for every command an example that names it, without colour, on standard output', () => {
    const wrong: string[] = [];
    for (const [name, { code, out, err }] of helps) {
      if (name === '') continue;
      const example = out.split('Examples:')[1] ?? '';
      if (code !== 0) wrong.push(`${name}: exit code ${code}`);
      if (!example.includes(`$ headroom ${name}`)) wrong.push(`${name}: no example`);
      if (ANSI.test(out)) wrong.push(`${name}: colour`);
      if (err !== '') wrong.push(`${name}: says on standard error ${err}`);
    }
    expect(wrong).toEqual([]);
    expect(helps.size).toBeGreaterThan(NAMED.length);
  });
});

describe('defaults', () => {
  it.each([
    { argv: ['telemetry', 'init'], says: ['(default: 90d)', '(default: 730d)'] },
    { argv: ['events', 'listen'], says: ['(default: 15m)', '(default: 2m)'] },
    { argv: ['events', 'import'], says: ['(default: 15m)', '(default: 2m)'] },
    { argv: ['backtest'], says: ['(default: 5m)', '(default: 10m)'] },
  ])('of lengths of time in $argv are shown as they are written, not in seconds', async ({ argv, says }) => {
    const { code, out } = await within(env, ...argv, '--help');
    // Long lines are wrapped in between.
    const text = out.replaceAll(/\s+/g, ' ');
    expect({ code, missing: says.filter((words) => !text.includes(words)) }).toEqual({ code: 0, missing: [] });
    expect(text).not.toMatch(/--\w+ <(duration|length)>[^<]*\(default: \d+\)/);
  });
});

describe.skipIf(NOT_BUILT !== null)(`bad usage${because(NOT_BUILT)}`, () => {
  it.each([
    { name: 'no command', argv: [], says: ['Usage: headroom'] },
    { name: 'unknown command', argv: ['statsu', 'shop'], says: ["unknown command 'statsu'", 'Did you mean status?'] },
    { name: 'a name of JavaScript’s own', argv: ['constructor'], says: ["unknown command 'constructor'"] },
    { name: 'unknown subcommand', argv: ['policy', 'sow', 'shop'], says: ["unknown command 'sow'", 'show'] },
    { name: 'unknown option', argv: ['pause', 'shop', '--reson', 'x'], says: ["'--reson'", 'Did you mean --reason?'] },
    { name: 'missing argument', argv: ['status'], says: ["missing required argument 'account'"] },
    { name: 'one argument too many', argv: ['status', 'shop', 'web'], says: ['too many arguments'] },
    { name: 'missing option', argv: ['start', 'shop'], says: ["'-f, --file <file>' not specified"] },
    { name: 'option without its value', argv: ['start', 'shop', '-f'], says: ['argument missing'] },
    { name: 'another shell', argv: ['completion', 'tcsh'], says: ['"tcsh" is not bash, zsh or fish'] },
    { name: 'speed of nothing', argv: ['dev', '--speed', '0'], says: ['--speed must be above 0'] },
    { name: 'speed that is no number', argv: ['dev', '--speed', 'fast'], says: ['"fast" is not a number'] },
    { name: 'port that is none', argv: ['dev', '--port', '70000'], says: ['from 1 to 65535'] },
    {
      name: 'two clusters',
      argv: ['dev', '--scenario', 'a.yaml', '--cluster-url', 'http://127.0.0.1:1'],
      says: ['give one of --scenario, --kubernetes, --cluster-url'],
    },
    {
      name: 'a cluster without its token',
      argv: ['dev', '--cluster-url', 'http://127.0.0.1:1'],
      says: ['HEADROOM_SIMULATOR_TOKEN'],
    },
    { name: 'unknown role', argv: ['worker', '--roles', 'light,heavy'], says: ['known are light, compute, cluster'] },
    { name: 'plan of nobody', argv: ['plan'], says: ['name an account'] },
  ])('$name: exit code 2, in words, nothing on standard output', async ({ argv, says }) => {
    const { code, out, err } = await within(env, ...argv);
    expect({ code, out, missing: says.filter((words) => !err.includes(words)), err }).toMatchObject({
      code: 2,
      out: '',
      missing: [],
    });
    expect(err).not.toMatch(ANSI);
    expect(err).not.toMatch(/^\s+at .*\.js:\d+/m);
  });

  it.each([
    { name: 'a scenario that is not there', argv: ['dev', '--scenario', 'absent.yaml'], code: 3, says: 'absent.yaml' },
    { name: 'an account file that is not there', argv: ['start', 'a', '-f', 'absent.yaml'], code: 3, says: 'absent' },
    { name: 'no server', argv: ['list'], code: 5, says: 'start `headroom dev`' },
    { name: 'no server, for machines', argv: ['status', 'shop', '--json'], code: 5, says: 'TEMPORAL_ADDRESS' },
  ])('$name: exit code $code', async ({ argv, code, says }) => {
    // A port that nobody listens on, whatever else runs on this machine.
    const ran = await within({ ...env, TEMPORAL_ADDRESS: '127.0.0.1:9' }, ...argv);
    expect(ran).toMatchObject({ code, out: '' });
    expect(ran.err).toContain(says);
  });

  it('a profile that is not there is told as such', async () => {
    const ran = await within({ ...env, TEMPORAL_PROFILE: 'absent' }, 'list');
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toContain('TEMPORAL_PROFILE');
  });

  it.each([
    { name: 'help', argv: ['override', '--help'], code: 0, out: 'Examples:', err: '' },
    { name: 'an unknown command', argv: ['statsu'], code: 2, out: '', err: 'Did you mean status?' },
    { name: 'a refused input', argv: ['completion', 'tcsh'], code: 2, out: '', err: '"tcsh"' },
    {
      name: 'a missing file',
      argv: ['forecast', '--csv', 'absent.csv', '--json'],
      code: 3,
      out: '',
      err: 'absent.csv',
    },
  ])('as a process, $name: the exit code and the streams are the same', async ({ argv, code, out, err }) => {
    const ran = await headroom(env, ...argv);
    expect(ran.code).toBe(code);
    for (const [is, wanted] of [
      [ran.out, out],
      [ran.err, err],
    ] as const) {
      if (wanted === '') expect(is).toBe('');
      else expect(is).toContain(wanted);
      expect(is).not.toMatch(ANSI);
    }
  });
});
