import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyObjects, eventually, ownNamespace, real } from './real.js';
import { deployment, serviceAccount } from './kubernetes-world.js';
import { openStand, startAccount, type Stand, type WorkerProcess } from './stand.js';

/*
 * Two clusters, each behind its own task queue, with a worker and an identity of its own: as `headroom worker` serves
 * them. Each identity sees its own namespace alone, so that whoever answered for an account can be told.
 */

const rules = [
  { apiGroups: ['apps'], resources: ['deployments', 'statefulsets'], verbs: ['list', 'watch', 'get'] },
  { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'], verbs: ['list', 'watch', 'get'] },
];

interface Place {
  namespace: string;
  remove(): Promise<void>;
}
let stand: Stand;
const places: Record<string, Place> = {};
const workers: Record<string, WorkerProcess> = {};

beforeAll(async () => {
  const identities = [];
  for (const name of ['east', 'west']) {
    const own = await ownNamespace(name);
    places[name] = { namespace: own.name, remove: own.remove };
    await applyObjects(deployment({ namespace: own.name, name: 'web', replicas: 1 }));
    identities.push({ name, config: await serviceAccount({ namespace: own.name, rules, cluster: false }) });
  }
  const [cluster] = identities.map(({ config }) => config.getCurrentCluster());
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'one', cluster: { server: cluster?.server, 'certificate-authority': cluster?.caFile } }],
    users: identities.map(({ name, config }) => ({ name, user: { token: config.getCurrentUser()?.token } })),
    contexts: identities.map(({ name }) => ({ name: `${name}-context`, context: { cluster: 'one', user: name } })),
  };
  stand = await openStand({
    kubeconfig: real.cluster.kubeconfig,
    influx: { url: '', token: '', org: '', bucket: '' },
    source: 'store',
  });
  const file = join(stand.folder, 'clusters.kubeconfig');
  await writeFile(file, JSON.stringify(kubeconfig), { mode: 0o600 });
  stand.env['KUBECONFIG'] = file;
  await stand.startWorker('--roles', 'light,compute');
  for (const name of ['east', 'west']) {
    workers[name] = await stand.startWorker('--roles', 'cluster', '--cluster', name, '--context', `${name}-context`);
  }
});
afterAll(async () => {
  await stand.close();
  for (const place of Object.values(places)) await place.remove();
});

const start = (account: string, cluster: string, namespace: string): Promise<void> =>
  startAccount(stand, account, {
    version: 'headroom/v1',
    account,
    cluster,
    namespace,
    step: '1s',
    cycle: '1s',
    settle: '0s',
    workloads: [{ name: 'web', components: { cpu: { request: '100m' } }, replicas: { min: 1, max: 9 } }],
    pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }],
  });
const verdict = (account: string, words: RegExp): Promise<string> =>
  eventually(async () => {
    const { verdict: found } = await stand.status(account);
    const text = found === null ? '' : `${found.reason ?? ''}: ${found.detail ?? ''}`;
    return words.test(text) ? text : null;
  });
const namespaceOf = (name: string): string => places[name]?.namespace ?? '';

describe('two clusters', () => {
  test('an account is looked at by the worker of its cluster, with that one’s rights, and by no other', async () => {
    // Each has no usage yet: that is what a cycle says which has seen its cluster.
    await start('acme', 'west', namespaceOf('west'));
    await start('globex', 'east', namespaceOf('east'));
    await start('lost', 'east', namespaceOf('west'));
    expect(await verdict('acme', /missing-data/)).toBeTruthy();
    expect(await verdict('globex', /missing-data/)).toBeTruthy();
    // East’s worker may not see west’s namespace; west’s, which may, is never asked.
    expect(await verdict('lost', /forbidden/)).toContain(`namespace "${namespaceOf('west')}"`);
    // A queue without workflows is meant so, and nothing to warn an operator of.
    for (const worker of Object.values(workers)) expect(worker.said()).not.toContain('No workflows registered');
  });

  test('one without its worker waits; the other goes on', async () => {
    await workers['west']?.stop();
    const before = await stand.status('acme');
    const other = await stand.status('globex');
    await eventually(async () => (await stand.status('globex')).cycle > other.cycle + 2);
    expect((await stand.status('acme')).cycle).toBeLessThanOrEqual(before.cycle + 1);
  });
});
