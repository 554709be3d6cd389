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
    await eventually(async () => (await world.replicas('north')).join() === '6,3');
    expect(await world.replicas('south')).toEqual([3, 3]);
    const writes = await world.writes();
    expect([...new Set(writes.map(({ namespace }) => namespace))]).toEqual(['north']);
  });

  it('an account whose file names what another account has is refused, and told whose it is', async () => {
    await override('south', 'web', 5);
    await eventually(async () => (await world.replicas('south')).join() === '5,3');
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
    });
    expect(detail).toContain('one object has one account');
    expect((await world.replicas('south'))[0]).toBe(5);
  });

  it('the account that has it stops: what runs stays, and the other may write it now', async () => {
    // Else the other writes as soon as it may, which is before anybody has looked.
    await world.stand.done('pause', 'thief', '--reason', 'a test');
    const stopped = await world.stand.headroom('stop', 'south');
    expect(stopped).toMatchObject({ code: 0 });
    expect(stopped.err).toContain('stopping, asked for by');
    expect(await world.replicas('south')).toEqual([5, 3]);
    const annotations = await world.plane.kubectl(['get', 'deploy', '-n', 'south', '-o', 'jsonpath={..annotations}']);
    expect(annotations).not.toContain('change/south/');
    await world.stand.done('resume', 'thief', '--reason', 'a test');
    await eventually(async () => (await world.replicas('south')).join() === '9,9');
  });

  it('stop --restore tells as it goes, and its history names the edit of a person that it left alone', async () => {
    // A cycle in between would insist on the override.
    await world.stand.done('pause', 'north', '--reason', 'a test');
    await world.plane.kubectl(['scale', '-n', 'north', 'deploy/web', '--replicas=4']);
    const stopped = await world.stand.headroom('stop', 'north', '--restore');
    expect(stopped.out).toContain('web.replicas: left at 4, set by kubectl');
    expect(stopped.err).toContain('stopping, asked for by');
    const { changes } = await world.stand.history('north');
    expect(changes[0]?.detail).toContain('with --restore: web.replicas left at 4, set by kubectl since; it was 3');
    expect(await world.replicas('north')).toEqual([4, 3]);
  });
});
