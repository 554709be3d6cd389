import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isSinkRecord, recordLines } from '../../src/telemetry/influxdb/records.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import type { StoredRecord } from '../../src/telemetry/port.js';

/* What the fleet leaves in the store, as points, and when an account is erased. */

const AT = 1_772_445_600;
const lines = (record: StoredRecord): string[] => (isSinkRecord(record) ? recordLines(record) : []);

describe('points of the fleet', () => {
  it('a grant is one: what was granted and asked, and until when', () => {
    const body = {
      ...{ account: 'acme', planId: 'fleet/1', at: AT, until: AT + 900, pools: {}, words: 'all' },
      ...{ granted: { cpu: 8, memory: 4 }, asked: { cpu: 6 } },
    };
    expect(lines({ kind: 'grant', id: 'acme/fleet/1', account: 'acme', at: AT, body })).toEqual([
      `grant,account=acme plan="fleet/1",until=${AT + 900},granted_cpu=8,granted_memory=4,asked_cpu=6 ${AT}000000000`,
    ]);
    const unknown = lines({ kind: 'grant', id: 'x', account: 'acme', at: AT, body: { ...body, asked: null } });
    expect(unknown.join(), 'what is unknown is not written, and never zero').not.toContain('asked');
  });

  it('a plan is one, and each of its pools', () => {
    const body = {
      ...{ id: 'fleet/1', status: 'proven', costPerHour: 4, currency: 'EUR', gap: 0.001, accounts: 2, unknown: 0 },
      short: 1,
      pools: [
        { pool: 'general', now: 2, planned: 4 },
        { pool: 'edge', now: null, planned: 3 },
      ],
    };
    const [whole, general, edge] = lines({ kind: 'fleet-plan', id: 'fleet/1', account: 'fleet_main', at: AT, body });
    expect(whole).toMatch(/^fleet id="fleet\/1",status="proven",cost_per_hour=4,.*short=1 /);
    expect(general).toMatch(/^fleet_pool,pool=general nodes=2,planned=4 /);
    expect(edge).toMatch(/^fleet_pool,pool=edge planned=3 /);
  });
});

describe('erasing an account', () => {
  let store: EmbeddedStore;
  beforeEach(async () => {
    store = await createEmbeddedStore({ path: ':memory:' });
  });
  afterEach(() => store.close());

  it('takes its grants, and what the fleet works on that names it', async () => {
    const put = (kind: StoredRecord['kind'], id: string, account: string, body: unknown): Promise<void> =>
      store.putRecord({ kind, id, account, at: AT, body });
    await put('grant', 'acme/1', 'acme', {});
    await put('grant', 'acme-two/1', 'acme-two', {});
    await put('fleet-work', 'a', 'fleet_main', { accounts: [{ name: 'acme' }, { name: 'acme-two' }] });
    await put('fleet-plan', 'b', 'fleet_main', { leftOut: [{ account: 'acme', why: 'silent' }] });
    await put('fleet-plan', 'c', 'fleet_main', { leftOut: [{ account: 'acme-two', why: 'silent' }] });
    await store.eraseAccount('acme');
    const kept = await Promise.all([
      store.getRecord('grant', 'acme/1'),
      store.getRecord('fleet-work', 'a'),
      store.getRecord('fleet-plan', 'b'),
      store.getRecord('fleet-plan', 'c'),
      store.getRecord('grant', 'acme-two/1'),
    ]);
    expect(kept.map((record) => record !== null)).toEqual([false, false, false, true, true]);
  });
});
