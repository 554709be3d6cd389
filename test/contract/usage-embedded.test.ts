import { createStoreClient } from '../../src/telemetry/client.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { createStoreService } from '../../src/telemetry/service.js';
import { serveTrouble, type Trouble } from './trouble-proxy.js';
import { usageSourceContract, type UsageHarness } from './usage-source.js';

const inProcess = 'there is no server between the caller and the file';

const loaders = (store: UsageHarness['store']): Pick<UsageHarness, 'load' | 'loadMetric'> => ({
  async load(key, samples) {
    await store?.writeUsage([{ key, samples: [...samples] }]);
  },
  async loadMetric(key, samples) {
    await store?.writeMetrics([{ ...key, samples: [...samples] }]);
  },
});

usageSourceContract(
  'embedded',
  async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    return { source: store, store, ...loaders(store), close: () => store.close() };
  },
  {
    'a call that is cancelled under way ends with the reason': `${inProcess}; test/unit/telemetry-embedded.test.ts interrupts a long query`,
    'a server that does not answer is unavailable': inProcess,
    'a slow server is waited for, a dripping one not for ever': inProcess,
    'an answer that is cut off is unavailable, never a shorter series': inProcess,
    'a token that is not accepted is refused': inProcess,
  },
);

usageSourceContract('embedded over loopback', async () => {
  const token = 'a-token-of-the-contract-suite';
  const store = await createEmbeddedStore({ path: ':memory:' });
  const service = await createStoreService(store, { token });
  const between: Trouble = await serveTrouble(service.url);
  const client = createStoreClient({ url: between.url, token, timeout: 3 });
  return {
    source: client,
    store: client,
    ...loaders(client),
    make: between.make,
    async close() {
      await client.close();
      await between.close();
      await service.close();
      await store.close();
    },
  };
});
