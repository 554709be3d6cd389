import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { environment, temporaryFolder, within, type Folder } from './headroom.js';

/* An account that is started with a model that is not there forecasts with others, and nobody notices for weeks. */

describe('an account file that names trained models', () => {
  let folder: Folder;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  it.each(['booster', 'random-forest'])('is refused where no %s serves, with what to do', async (kind) => {
    const file = join(folder.path, 'shop.yaml');
    await writeFile(
      file,
      `version: headroom/v1\naccount: shop\nmodels: [arima, ${kind}]\n` +
        'workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }]\n' +
        'pools: [{ name: general, pricePerHour: 1, node: { cpu: 4 } }]\n',
    );
    const env = environment(folder.path);
    const refused = await within(env, 'start', 'shop', '-f', file);
    expect(refused.code).toBe(4);
    expect(refused.err).toContain(`names ${kind}, and no trained model of that kind serves`);
    expect(refused.err).toContain(`headroom retrain start --kinds ${kind}`);
    expect((await within(env, 'policy', 'set', 'shop', '-f', file)).err).toContain(`names ${kind}`);
  });
});
