import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { z } from 'zod';
import { connectClient, connectWorker } from '../../src/temporal/connection.js';
import { makeVersionCurrent } from '../../src/temporal/namespace.js';
import { createWorkers, installLogger } from '../../src/temporal/worker.js';
import { obey } from './child.js';
import { createGate } from './gate.js';
import type { PeerActivities, peerLoop } from './peer-workflow.js';

/* The peer: as many plain loops as there are accounts, on a worker with Headroom's own settings. */

const { address, loops, everyMs, versioning } = z
  .object({ address: z.string(), loops: z.int(), everyMs: z.number(), versioning: z.boolean() })
  .parse(JSON.parse(process.argv[2] ?? ''));

const QUEUE = 'peer';
const gate = createGate();
let cycles = 0;
const activities: PeerActivities = {
  first: () => gate.pass(),
  second: () => Promise.resolve(),
  third() {
    cycles += 1;
    return Promise.resolve();
  },
};

installLogger();
const folder = await mkdtemp(join(tmpdir(), 'headroom-peer-'));
const bundlePath = join(folder, 'bundle.js');
const { code } = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('./peer-workflow.js', import.meta.url)),
  logger: new DefaultLogger('WARN'),
});
await writeFile(bundlePath, code);

const target = { options: { address }, namespace: 'default' };
const { client, connection: clientConnection } = await connectClient(target);
const connection = await connectWorker(target);
const worker = await createWorkers({
  connection,
  namespace: target.namespace,
  queues: { light: QUEUE, compute: QUEUE, cluster: QUEUE },
  serve: ['light'],
  activities,
  versioning,
  deployment: QUEUE,
  bundlePath,
});
const finished = worker.run();
const send = obey({
  gate: (open) => gate.set(open),
  count: () => ({ cycles, failures: 0 }),
  async end() {
    gate.set(true);
    worker.shutdown();
    await finished;
    await connection.close();
    await clientConnection.close();
    await rm(folder, { recursive: true });
  },
});
if (versioning) await makeVersionCurrent(clientConnection, target.namespace, worker.buildId, QUEUE);
const workflowIds = Array.from({ length: loops }, (_, index) => `peer/${index}`);
for (const workflowId of workflowIds) {
  await client.workflow.start<typeof peerLoop>('peerLoop', { workflowId, taskQueue: QUEUE, args: [everyMs] });
}
send({ kind: 'ready', workflowIds, note: '' });
await finished;
