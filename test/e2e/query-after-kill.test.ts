import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker, type WorkerProcess } from '../../infra/servers/worker.js';
import { startDevServer, type DevServer } from '../../src/temporal/server.js';
import { AHEAD } from '../../workflows/ahead.js';
import { accountWorkflowId, nudgeSignal, statusQuery, stopSignal } from '../../workflows/messages.js';
import {
  accountFile,
  because,
  environment,
  headroom,
  NO_SERVER,
  temporaryFolder,
  until,
  type Folder,
} from '../cli/headroom.js';

/*
 * A worker is killed, and somebody asks for the status of an account that was in its memory (another worker's metrics do
 * so, too) while a signal waits for its workflow task: workflows/ahead.ts. What an operator loses where this fails: the
 * account, whose history cannot be replayed from then on.
 */

const BUNDLE = new URL('../../dist/workflow-bundle.js', import.meta.url);
const ACCOUNT = 'shop';
/** Milliseconds. The query goes to the dead worker's queue for 4 s first; the signal has to come before that is over. */
const SIGNAL_AFTER = 3600;

describe.skipIf(NO_SERVER !== null)(`a query after a kill${because(NO_SERVER)}`, () => {
  let folder: Folder;
  let server: DevServer;
  let env: NodeJS.ProcessEnv;
  let connection: Connection;
  /** Without a second try, so that the test sees what a query is answered. */
  let client: Client;
  const workers: WorkerProcess[] = [];
  const work = async (): Promise<WorkerProcess> => {
    const worker = await startWorker(env, ['--metrics-port', '0']);
    workers.push(worker);
    return worker;
  };

  beforeAll(async () => {
    folder = await temporaryFolder();
    server = await startDevServer({ databaseFile: join(folder.path, 'temporal.db'), env: environment(folder.path) });
    env = environment(folder.path, { TEMPORAL_ADDRESS: server.address });
    connection = await Connection.connect({ address: server.address });
    client = new Client({ connection });
  });
  afterAll(async () => {
    for (const worker of workers) await worker.stop();
    await connection?.close();
    await server?.close();
    await folder?.remove();
  });

  it('leaves a history that replays, whatever the query met', async () => {
    const first = await work();
    const file = join(folder.path, 'shop.yaml');
    await writeFile(file, accountFile(ACCOUNT, { mode: 'recommend', raised: false, cycle: '1h' }));
    const started = await headroom(env, 'start', ACCOUNT, '-f', file);
    expect(started.err, started.out).toBe('');
    const account = client.workflow.getHandle(accountWorkflowId(ACCOUNT));
    await until('the account sleeps', async () => (await account.query(statusQuery)).phase === 'sleeping');

    await first.kill();
    await work();
    const began = Date.now();
    const asked = account.query(statusQuery).then(
      () => 'answered',
      (error: unknown) => String(error),
    );
    await delay(SIGNAL_AFTER - (Date.now() - began));
    await account.signal(nudgeSignal, { reason: 'a test' });
    const told = await asked;
    // A stop is not a cycle: a run that has begun one does not look the same when it is told both at once.
    await account.signal(stopSignal, { author: 'ada', restore: false });
    await account.result();

    expect(told).toSatisfy((words: string) => words === 'answered' || words.includes(AHEAD));
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const history = await account.fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: { code: await readFile(BUNDLE, 'utf8') } }, history);
  });
});
