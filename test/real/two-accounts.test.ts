import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client, Connection } from '@temporalio/client';
import { connectClient } from '../../src/temporal/connection.js';
import { accountWorkflowId, overrideSignal } from '../../workflows/messages.js';
import { eventually } from './real.js';
import { startAccount } from './stand.js';
import { accountFile, openWorld, type World } from './world.js';

/* Two accounts in two namespaces: neither touches what is the other's, not even where its file says so. */

describe('two accounts in two namespaces', () => {
  let world: World;
  let client: Client;
  let connection: Connection;

  beforeAll(async () => {
    world = await openWorld({ accounts: ['north', 'south'], known: ['thief'] });
    const { address } = world.stand.temporal;
    ({ client, connection } = await connectClient({ options: { address }, namespace: 'default' }));
  });
  afterAll(async () => {
    await connection?.close();
    await world?.close();
  });

  const override = (account: string, workload: string, value: number): Promise<void> =>
    client.workflow.getHandle(accountWorkflowId(account)).signal(overrideSignal, {
      ...{ kind: 'override', id: `test-${workload}`, target: { field: 'replicas', workload, value } },
      ...{ author: 'ada', reason: 'a test', since: world.now(), until: world.now() + 30 * 86_400 },
    });

  it('a change of one writes in its namespace alone', async () => {
    await override('north', 'web', 6);
    await eventually(async () => (await world.replicas('north')).join() === '6,3', 60);
    expect(await world.replicas('south')).toEqual([3, 3]);
    const writes = await world.writes();
    expect([...new Set(writes.map(({ namespace }) => namespace))]).toEqual(['north']);
  });

  it('an account whose file names what another account has is refused, and told whose it is', async () => {
    await override('south', 'web', 5);
    await eventually(async () => (await world.replicas('south')).join() === '5,3', 60);
    const file = accountFile('thief', {
      accounts: [],
      workload: { target: { namespace: 'south' }, replicas: { min: 9, max: 20 } },
      account: { namespace: 'south' },
    });
    await startAccount(world.stand, 'thief', {
      ...file,
      pools: [{ name: 'south', size: 'fixed', pricePerHour: 0.2, node: { cpu: 8, memory: '32Gi' }, max: 10 }],
    });
    const detail = await eventually(async () => {
      const { changes } = await world.stand.history('thief');
      return changes.map((change) => change.detail).find((text) => text.includes('account south'));
    }, 90);
    expect(detail).toContain('one object has one account');
    expect((await world.replicas('south'))[0]).toBe(5);
  });
});
