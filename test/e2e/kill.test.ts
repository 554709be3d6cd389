import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Connection, type Client } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { connectClient } from '../../src/temporal/connection.js';
import { startDevServer, type DevServer } from '../../src/temporal/server.js';
import {
  accountFile,
  because,
  environment,
  headroom,
  json,
  NO_SERVER,
  startHeadroomDev,
  steadyScenario,
  temporaryFolder,
  until,
  within,
  type DevProcess,
  type Folder,
} from '../cli/headroom.js';
import { spawnSimulatedCluster, type SpawnedSimulation } from '../unit/cluster-spawn.js';

/*
 * The worker is killed with SIGKILL in the middle of a change, and started again. The Temporal server and the cluster
 * are processes of their own, which live on. What an operator loses where this fails: a change half made, or made twice.
 */

const SIMULATOR = fileURLToPath(new URL('../../dist/src/cluster/simulated/server.js', import.meta.url));
/** Simulated seconds in a second. */
const SPEED = 600;
/** Simulated seconds by which each answer of the cluster is late where a test wants to meet a call on its way. */
const SLOW = 2 * SPEED;

const outcomeSchema = z.object({
  changes: z.array(z.object({ changeId: z.string(), result: z.string(), applied: z.number(), restored: z.boolean() })),
});

/** One write as the cluster's journal has it: `apply` or `restore`, and its key. */
interface Write {
  kind: string;
  key: string;
}

const lineSchema = z.object({
  command: z
    .object({
      kind: z.string(),
      mutation: z.object({ key: z.string() }).optional(),
      restore: z.object({ key: z.string() }).optional(),
    })
    .optional(),
});

/** Which ways a value went, in turn. */
const turns = (values: readonly (number | null)[] = []): string[] =>
  values
    .filter((value) => value !== null)
    .map((value, index, all) => Math.sign(value - (all[index - 1] ?? value)))
    .filter((sign) => sign !== 0)
    .filter((sign, index, all) => sign !== all[index - 1])
    .map((sign) => (sign > 0 ? 'up' : 'down'));

interface Stage {
  account: string;
  env: NodeJS.ProcessEnv;
  cluster: SpawnedSimulation;
  client: Client;
  start(): Promise<DevProcess>;
  writes(): Write[];
  /** Activities of the change that are on their way now. */
  underWay(): Promise<string[]>;
}

describe.skipIf(NO_SERVER !== null)(`SIGKILL in the middle of a change${because(NO_SERVER)}`, () => {
  let folder: Folder;
  let server: DevServer;
  let connection: Connection;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder();
    server = await startDevServer({ databaseFile: join(folder.path, 'temporal.db'), env: process.env });
    connection = await Connection.connect({ address: server.address });
  });
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
    await connection?.close();
    await server?.close();
    await folder?.remove();
  });

  /** A world of its own: namespace, cluster, home. Nothing of it but the worker is ever killed. */
  async function stage(account: string): Promise<Stage> {
    await connection.workflowService.registerNamespace({
      namespace: account,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    const home = await temporaryFolder();
    closing.push(() => home.remove());
    const scenario = await home.write('scenario.json', steadyScenario([account], { mode: 'held' }));
    const state = join(home.path, 'journal');
    const cluster = await spawnSimulatedCluster({ scenario, state, server: SIMULATOR });
    closing.push(() => cluster.simulation.shutdown());
    await cluster.simulation.run(SPEED);
    const env = environment(join(home.path, 'home'), {
      TEMPORAL_ADDRESS: server.address,
      TEMPORAL_NAMESPACE: account,
      HEADROOM_SIMULATOR_TOKEN: cluster.token,
    });
    const client = await until('the namespace serves', async () => {
      try {
        const made = await connectClient({ options: { address: server.address }, namespace: account });
        await made.client.workflow.count();
        closing.push(() => made.connection.close());
        return made.client;
      } catch {
        return null;
      }
    });
    const file = await home.write('account.yaml', accountFile(account, { mode: 'approve', raised: true }));
    const dev = await startHeadroomDev(env, '--cluster-url', cluster.url);
    expect(await headroom(env, 'start', account, '-f', file)).toMatchObject({ code: 0 });
    await until('a plan waits for approval', async () => {
      const { out } = await within(env, 'status', account, '--json');
      return out.includes('"planId"') && out.includes('awaiting-approval');
    });
    closing.push(() => dev.stop());
    first.set(account, dev);
    return {
      account,
      env,
      cluster,
      client,
      async start() {
        const again = await startHeadroomDev(env, '--cluster-url', cluster.url);
        closing.push(() => again.stop());
        return again;
      },
      writes: () =>
        readFileSync(state, 'utf8')
          .split('\n')
          .filter((line) => line.endsWith('}'))
          .flatMap((line) => {
            const { command } = lineSchema.parse(JSON.parse(line));
            const key = command?.mutation?.key ?? command?.restore?.key;
            return key === undefined ? [] : [{ kind: command?.kind ?? '', key }];
          }),
      async underWay() {
        const { raw } = await client.workflow.getHandle(`change/${account}/1`).describe();
        return (raw.pendingActivities ?? []).flatMap(({ activityType, lastStartedTime }) =>
          lastStartedTime === null || lastStartedTime === undefined ? [] : [activityType?.name ?? ''],
        );
      },
    };
  }
  const first = new Map<string, DevProcess>();

  async function slow({ cluster }: Stage): Promise<void> {
    const from = await cluster.simulation.now();
    await cluster.simulation.inject({ kind: 'api-slow', from, to: from + 6 * SLOW, delay: SLOW });
  }

  const cases: {
    name: string;
    account: string;
    /** Makes sure that the kill meets the point. */
    before: (stage: Stage) => Promise<void>;
    /** True at the moment of the kill. */
    at: (stage: Stage) => Promise<boolean> | boolean;
    result: 'kept' | 'rolled-back';
  }[] = [
    {
      name: 'before the first write',
      account: 'before-first',
      before: slow,
      at: async (one) => one.writes().length === 0 && (await one.underWay()).includes('apply'),
      result: 'kept',
    },
    {
      name: 'between two writes',
      account: 'between-two',
      before: slow,
      at: async (one) => one.writes().length === 1 && (await one.underWay()).includes('apply'),
      result: 'kept',
    },
    {
      name: 'after a write whose answer is lost',
      account: 'answer-lost',
      before: async ({ cluster }) => {
        const from = await cluster.simulation.now();
        await cluster.simulation.inject({ kind: 'lost-answer', from, to: from + 86_400, count: 1 });
      },
      at: (one) => one.writes().length === 1,
      result: 'kept',
    },
    {
      name: 'while it is verified',
      account: 'in-verify',
      before: () => Promise.resolve(),
      at: async (one) => {
        const { raw } = await one.client.workflow.getHandle(`change/${one.account}/1`).describe();
        return one.writes().length === 2 && (raw.pendingActivities ?? []).length === 0;
      },
      result: 'kept',
    },
    {
      name: 'while it is rolled back',
      account: 'going-back',
      before: async ({ account, cluster }) => {
        const from = await cluster.simulation.now();
        await cluster.simulation.inject({
          ...{ kind: 'bad-release', from, to: from + 86_400, account, workload: 'web' },
          ...{ effect: 'errors', severity: 1, fields: ['replicas'] },
        });
      },
      at: (one) => one.writes().some(({ kind }) => kind === 'restore'),
      result: 'rolled-back',
    },
  ];

  it.concurrent.each(cases)('$name: $result, once, whole', async ({ account, before, at, result }) => {
    const one = await stage(account);
    await before(one);
    expect(await headroom(one.env, 'approve', account)).toMatchObject({ code: 0 });
    await until(
      `the point is met`,
      async () => {
        try {
          return await at(one);
        } catch {
          // The change is not there yet.
          return false;
        }
      },
      { every: 10 },
    );
    await first.get(account)?.kill();
    const killedWith = one.writes().length;
    await one.start();
    const { changes } = await until(
      'the change ends',
      async () => {
        const answer = await json(one.env, outcomeSchema, 'history', account);
        return answer.changes.length > 0 && answer;
      },
      { every: 1000 },
    );

    // One outcome, and it says what happened.
    expect(changes).toEqual([
      expect.objectContaining({ changeId: `${account}/1`, result, applied: 2, restored: true }),
    ]);
    // In the plan's order, and nothing else; a write whose answer nobody heard is asked for again, by the same key.
    const keys = one.writes().map(({ key }) => key);
    const distinct = [...new Set(keys)];
    const forward = [`change/${account}/1#0`, `change/${account}/1#1`];
    const back = [`change/${account}/1#back-0`, `change/${account}/1#back-1`];
    expect(distinct).toEqual(result === 'kept' ? forward : [...forward, ...back]);
    expect(killedWith).toBeLessThanOrEqual(keys.length);
    // The state is the new one entirely, or the old one.
    const seen = await one.cluster.simulation.observe(
      {
        account,
        workloads: [{ workload: 'web', kind: 'Deployment', namespace: account, name: 'web' }],
        pools: [`${account}-pool`],
      },
      AbortSignal.timeout(120_000),
    );
    expect({ nodes: seen.pools[0]?.nodes, replicas: seen.workloads[0]?.replicas }).toEqual(
      result === 'kept' ? { nodes: 2, replicas: 4 } : { nodes: 1, replicas: 2 },
    );
    // And it went there once: up, or up and down again (a minute's mean may lie between).
    const { workloads, pools } = await one.cluster.simulation.timeline({ step: 60 });
    const ways = result === 'kept' ? ['up'] : ['up', 'down'];
    expect({ replicas: turns(workloads[0]?.replicas), nodes: turns(pools[0]?.nodes) }).toEqual({
      replicas: ways,
      nodes: ways,
    });
  });
});
