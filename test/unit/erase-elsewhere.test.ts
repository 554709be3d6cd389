import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eraseWork } from '../../src/cli/erase-work.js';
import { createInfluxConnection } from '../../src/telemetry/influxdb/connection.js';
import { erasePoints } from '../../src/telemetry/influxdb/erase.js';
import { eraseHistories, type Execution, type Executions } from '../../src/temporal/executions.js';
import { startRecordingInflux, type RecordingInflux } from '../contract/recording-influxdb.js';

/* Where else an account's data stand: what is said to be gone has to be gone, and nobody else's with it. */

describe('histories on the server', () => {
  /** A server that deletes `later` looks after it was asked. */
  function server(all: Execution[], later = 0) {
    const queries: string[] = [];
    const removed: string[] = [];
    const due = new Map<string, number>();
    const executions: Executions = {
      list(query) {
        queries.push(query);
        for (const [run, looks] of due) due.set(run, looks - 1);
        return Promise.resolve(all.filter(({ runId }) => (due.get(runId) ?? 0) >= 0));
      },
      remove({ runId }) {
        removed.push(runId);
        due.set(runId, later);
        return Promise.resolve();
      },
    };
    return { executions, queries, removed };
  }
  const closed = (workflowId: string, runId: string): Execution => ({ workflowId, runId, running: false });
  const SOME = [closed('account/acme', 'a1'), closed('account/acme', 'a2'), closed('change/acme/7', 'c7')];
  const loop: Execution = { workflowId: 'account/acme', runId: 'a3', running: true };

  it.each([
    { name: 'closed runs go', all: SOME, dry: false, result: { removed: 3, pending: 0, running: [] }, gone: 3 },
    {
      name: 'a look alone removes none',
      all: SOME,
      dry: true,
      result: { removed: 3, pending: 0, running: [] },
      gone: 0,
    },
    {
      name: 'what runs stays, and is named once',
      all: [...SOME, loop, { ...loop, runId: 'a4' }],
      ...{ dry: false, result: { removed: 3, pending: 0, running: ['account/acme'] }, gone: 3 },
    },
    { name: 'there are none', all: [], dry: false, result: { removed: 0, pending: 0, running: [] }, gone: 0 },
  ])('$name', async ({ all, dry, result, gone }) => {
    const { executions, removed } = server(all);
    expect(await eraseHistories(executions, 'acme', null, dry)).toEqual(result);
    expect(removed).toHaveLength(gone);
    expect(removed).not.toContain('a3');
  });

  it('a server that takes its time is waited for, and what it has yet to do is said', async () => {
    expect(await eraseHistories(server(SOME, 2).executions, 'acme', null, false)).toMatchObject({ pending: 0 });
    const slow = await eraseHistories(server(SOME, 99).executions, 'acme', null, false, 250);
    expect(slow).toEqual({ removed: 3, pending: 3, running: [] });
  });

  it('asks for this account alone, whatever its name', async () => {
    const { executions, queries } = server([]);
    await eraseHistories(executions, 'a" OR WorkflowId != "', 'retrain/account-1f', true);
    expect(queries[0]).toBe(
      'WorkflowId = "account/a\\" OR WorkflowId != \\"" OR WorkflowId = "retrain/account-1f" OR ' +
        ['change', 'migration', 'migration-survey', 'prefetch']
          .map((kind) => `WorkflowId STARTS_WITH "${kind}/a\\" OR WorkflowId != \\"/"`)
          .join(' OR '),
    );
    await eraseHistories(executions, 'acme', null, true);
    // `change/acme2/1` is another account's.
    expect(queries[1]).toContain('STARTS_WITH "change/acme/"');
  });
});

describe('points in InfluxDB', () => {
  let influx: RecordingInflux;
  beforeEach(async () => {
    influx = await startRecordingInflux();
  });
  afterEach(() => influx.close());
  const signal = new AbortController().signal;
  const erase = (account = 'acme', dry = false) =>
    erasePoints(createInfluxConnection({ url: influx.url, token: 't', org: 'home' }), 'loop', account, dry, signal);
  const counted = '#datatype,string,long,long\r\n#default,_result,,\r\n,result,table,_value\r\n,,0,42\r\n\r\n';
  const answering = (status: number, body: string) =>
    influx.answer(({ path }) => (path.startsWith('/api/v2/query') ? { status, body } : { status: 204, body: '' }));
  const deletes = () => influx.requests.filter(({ path }) => path.startsWith('/api/v2/delete'));

  it('are counted and removed by the account’s tag, past and future, whatever the measurement', async () => {
    answering(200, counted);
    expect(await erase()).toEqual({ bucket: 'loop', points: 42 });
    expect(deletes()).toHaveLength(1);
    expect(deletes()[0]?.path).toContain('bucket=loop');
    expect(JSON.parse(deletes()[0]?.body ?? '')).toEqual({
      start: '1677-09-22T00:00:00Z',
      stop: '2262-04-11T00:00:00Z',
      predicate: 'account="acme"',
    });
  });

  it.each([
    { name: 'a look alone', status: 200, body: counted, dry: true, points: 42 },
    { name: 'there are none', status: 200, body: '', dry: false, points: 0 },
    { name: 'there is no such bucket', status: 404, body: '{"message":"bucket not found"}', dry: false, points: null },
  ])('nothing is deleted: $name', async ({ status, body, dry, points }) => {
    answering(status, body);
    expect(await erase('acme', dry)).toEqual({ bucket: 'loop', points });
    expect(deletes()).toEqual([]);
  });

  it('a token without the right, and a name that could say something else, are failures and no silence', async () => {
    answering(401, '{"message":"unauthorized access"}');
    await expect(erase()).rejects.toMatchObject({ kind: 'refused' });
    await expect(erase('x" OR account="y')).rejects.toMatchObject({ kind: 'invalid-input' });
    expect(deletes()).toEqual([]);
  });
});

describe('what training has on its way', () => {
  let work: string;
  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'erase-work-'));
    const list = (...accounts: string[]) => JSON.stringify(accounts.map((account) => ({ account, snapshotId: 's' })));
    await writeFile(join(work, 'data-0123456789abcdef.json'), list('acme', 'other'));
    await writeFile(join(work, 'data-fedcba9876543210.json'), list('other'));
    await writeFile(join(work, 'ab12.checkpoint'), 'weights');
  });
  afterEach(() => rm(work, { recursive: true }));

  it.each([
    { account: 'acme', had: true, dry: false, erased: { lists: 1, checkpoints: 1 }, left: 1 },
    { account: 'acme', had: false, dry: false, erased: { lists: 1, checkpoints: 1 }, left: 1 },
    { account: 'acme', had: true, dry: true, erased: { lists: 1, checkpoints: 1 }, left: 3 },
    { account: 'nobody', had: false, dry: false, erased: { lists: 0, checkpoints: 0 }, left: 3 },
  ])('of $account, series: $had, a look alone: $dry', async ({ account, had, dry, erased, left }) => {
    expect(await eraseWork(work, account, had, dry)).toEqual(erased);
    expect(await readdir(work)).toHaveLength(left);
    expect(await readdir(work)).toContain('data-fedcba9876543210.json');
  });

  it('no folder is no failure', async () =>
    expect(await eraseWork(join(work, 'none'), 'acme', true, false)).toEqual({ lists: 0, checkpoints: 0 }));
});
