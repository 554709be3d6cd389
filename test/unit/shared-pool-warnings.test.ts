import { expect, test } from 'vitest';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { sharedPoolWarnings } from '../../src/cli/shared-pools.js';
import { FLEET_ACCOUNT } from '../../src/domain/fleet-names.js';
import { accountOf, fleetOf } from './fleet-world.js';

/* Two accounts that size one pool. What a user loses where this fails: a word about it when it can still be changed. */

const WEB = 'workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }]';

test.each([
  ['with nobody else', [], false, []],
  ['with another that runs', ['blog'], false, ['blog']],
  ['with one that was stopped', ['gone'], false, []],
  ['with others under a fleet', ['blog'], true, []],
])('an account starts on a pool %s', async (_name, others, fleet, named) => {
  const store = await createEmbeddedStore({ path: ':memory:' });
  try {
    for (const account of ['shop', ...others]) {
      await store.putRecord({ kind: 'account', id: account, account, at: 1, body: accountOf(account, WEB) });
    }
    const body = { policy: fleetOf(), ended: false };
    if (fleet) await store.putRecord({ kind: 'fleet', id: 'f', account: FLEET_ACCOUNT, at: 1, body });
    const lines = await sharedPoolWarnings(store, accountOf('shop', WEB), (name) => Promise.resolve(name !== 'gone'));
    expect(lines).toEqual(
      named.map(
        (one) =>
          `warning: pool general is also sized by ${one}, and no fleet plans it: name the pool in a fleet file (headroom fleet start -f FILE), or give each account a pool of its own`,
      ),
    );
  } finally {
    await store.close();
  }
});
