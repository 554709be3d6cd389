import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { environment, headroom, temporaryFolder, type Folder } from '../cli/headroom.js';
import { ownBucket, type OwnBucket } from './influxdb-bucket.js';
import { deployment } from './kubernetes-world.js';
import { applyObjects, ownNamespace, real, uniqueName } from './real.js';

/*
 * `headroom doctor` on real servers: what an operator learns before an account is started, and would otherwise learn from
 * its holds.
 */

const schema = z.object({
  findings: z.array(
    z.object({ check: z.string(), ok: z.boolean(), detail: z.string(), remedy: z.string().optional() }),
  ),
});

describe('headroom doctor', () => {
  let folder: Folder;
  let bucket: OwnBucket;
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    bucket = await ownBucket(real.influx);
    namespace = await ownNamespace('doctor');
    await applyObjects(deployment({ namespace: namespace.name, name: 'web', replicas: 1 }));
  });
  afterAll(async () => {
    await bucket?.remove();
    await namespace?.remove();
    await folder?.remove();
  });

  async function findings(env: Record<string, string>, ...argv: string[]) {
    const { out } = await headroom(environment(join(folder.path, 'home'), env), 'doctor', '--json', ...argv);
    return schema.parse(JSON.parse(out)).findings;
  }
  const of = (all: Awaited<ReturnType<typeof findings>>, check: string) => all.find((one) => one.check === check);

  const influx = () => ({
    INFLUX_URL: real.influx.url,
    INFLUX_TOKEN: real.influx.token,
    INFLUX_ORG: real.influx.org,
    INFLUX_BUCKET: bucket.name,
  });
  const file = async (pool: object): Promise<string> => {
    const path = join(folder.path, `${uniqueName('account')}.yaml`);
    await writeFile(
      path,
      JSON.stringify({
        ...{ version: 'headroom/v1', account: namespace.name },
        workloads: [{ name: 'web', components: { cpu: { request: '100m' } }, replicas: { min: 1, max: 9 } }],
        pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 }, ...pool }],
      }),
    );
    return path;
  };

  test('looks at what the environment names, and at nothing else', async () => {
    const none = (await findings({})).map(({ check }) => check);
    expect(none.filter((check) => /kubernetes|influxdb|prometheus|objects/.test(check))).toEqual([]);
    const all = await findings({
      KUBECONFIG: real.cluster.kubeconfig,
      PROMETHEUS_URL: real.prometheus.url,
      ...influx(),
    });
    for (const check of ['kubernetes', 'kubernetes rights over all namespaces', 'prometheus', 'influxdb server']) {
      expect(of(all, check)).toMatchObject({ ok: true });
    }
    expect(of(all, 'kubernetes')?.detail).toMatch(/^v1\.\d+\.\d+ answers at https:/);
    // This bucket was made by hand: what the hourly one is for is missing, and said with the command that makes it.
    expect(all.filter(({ ok, remedy }) => !ok && remedy?.includes('telemetry init') === true)).not.toEqual([]);
  });

  test.each([
    {
      row: 'a server that is not there',
      env: () => ({ ...influx(), INFLUX_URL: 'http://127.0.0.1:9' }),
      check: 'influxdb server',
    },
    { row: 'half of the settings', env: () => ({ INFLUX_URL: real.influx.url }), check: 'influxdb' },
    { row: 'no Prometheus', env: () => ({ PROMETHEUS_URL: 'http://127.0.0.1:9' }), check: 'prometheus' },
    { row: 'no kubeconfig there', env: () => ({ KUBECONFIG: '/nonexistent/kubeconfig' }), check: 'kubernetes' },
  ])('$row: found, with what to do', async ({ env, check }) => {
    const found = of(await findings(env()), check);
    expect(found).toMatchObject({ ok: false });
    expect(found?.detail).not.toBe('');
    expect(found?.remedy).toBeTruthy();
  });

  test('an account’s file: each object that the cluster does not have is named', async () => {
    const env = { KUBECONFIG: real.cluster.kubeconfig };
    const check = `objects of ${namespace.name}`;
    expect(of(await findings(env, '-f', await file({})), check)).toMatchObject({
      ok: true,
      detail: expect.stringContaining('1 workloads, 1 pools'),
    });
    const pool = { provisioning: { karpenter: { nodePool: 'absent' }, placeholders: { namespace: 'absent-warm' } } };
    const found = of(await findings(env, '-f', await file(pool)), check);
    expect(found?.ok).toBe(false);
    expect(found?.detail).toContain('there is no NodePool absent');
    expect(found?.detail).toContain('there is no namespace absent-warm');
  });
});
