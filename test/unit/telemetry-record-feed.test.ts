import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createStoreClient } from '../../src/telemetry/client.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import type { Store } from '../../src/telemetry/port.js';
import { withRecordFeed, type RecordFeed } from '../../src/telemetry/record-feed.js';
import { createStoreService } from '../../src/telemetry/service.js';

const token = 'a-token-of-the-feed-test';
const plan = (id: string, at: number, account = 'acme') => ({ kind: 'plan' as const, id, account, at, body: { id } });

describe.each(['in the owner', 'over HTTP'])('news of records, %s', (where) => {
  let owner: Store & RecordFeed;
  let reader: Store & RecordFeed;
  let close: () => Promise<void>;
  beforeEach(async () => {
    owner = withRecordFeed(await createEmbeddedStore({ path: ':memory:' }));
    const service = await createStoreService(owner, { token });
    reader = where === 'in the owner' ? owner : createStoreClient({ url: service.url, token });
    close = async () => {
      await service.close();
      await owner.close();
    };
  });
  afterEach(() => close());
  const signal = new AbortController().signal;

  it('what is there already is told at once', async () => {
    await owner.putRecord(plan('p-1', 1));
    expect((await reader.nextRecord('plan', 'acme', null, signal)).id).toBe('p-1');
  });

  it('what has been seen is waited beyond, and another account’s plan wakes nobody', async () => {
    await owner.putRecord(plan('p-1', 1));
    const next = reader.nextRecord('plan', 'acme', { id: 'p-1', at: 1 }, signal);
    let told = false;
    void next.then(() => (told = true));
    await owner.putRecord(plan('other', 2, 'rival'));
    await owner.putRecord(plan('p-1', 1));
    // A turn through the store: whatever would have been told is told by then.
    await reader.listRecords('plan', 'acme', { limit: 1 });
    expect(told).toBe(false);
    await owner.putRecord(plan('p-2', 2));
    expect(await next).toMatchObject({ id: 'p-2', body: { id: 'p-2' } });
  });

  it('the same id at another time is news', async () => {
    await owner.putRecord(plan('p-1', 1));
    const next = reader.nextRecord('plan', 'acme', { id: 'p-1', at: 1 }, signal);
    await owner.putRecord(plan('p-1', 5));
    expect((await next).at).toBe(5);
  });

  it('who stops waiting is let go', async () => {
    const gone = new AbortController();
    const next = reader.nextRecord('plan', 'acme', null, gone.signal);
    gone.abort(new Error('gone'));
    await expect(next).rejects.toThrow('gone');
    await owner.putRecord(plan('p-1', 1));
    expect((await reader.nextRecord('plan', 'acme', null, signal)).id).toBe('p-1');
  });
});
