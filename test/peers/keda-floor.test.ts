import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { actor, field, type Actor } from '../real/kubernetes-pools-world.js';
import { applyObjects, eventually, kubectl, onPool, ownNamespace, poolNodes, removeNodes } from '../real/real.js';
import { recordObject } from './record.js';

/*
 * A floor raised on a ScaledObject, with KEDA's operator behind it: KEDA carries it over to the HPA that it makes, the
 * pods come, and neither of the two writes what the other has written.
 */

describe('the floor of a ScaledObject, with KEDA’s operator', () => {
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let acme: Actor;
  const floor = (value: number) => ({ field: 'floor' as const, workload: 'web', value });
  const hpa = (path: string) => field(path, 'hpa', 'keda-hpa-web', '-n', namespace.name);
  const ready = async () => Number(await field('{.status.readyReplicas}', 'deployment', 'web', '-n', namespace.name));
  const state = async () => (await acme.observe()).workloads[0];

  beforeAll(async () => {
    namespace = await ownNamespace('keda-floor');
    await applyObjects(...poolNodes(namespace.name, 3), {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: namespace.name },
      spec: {
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' }, annotations: { 'headroom.test/cpu': '150m' } },
          spec: {
            ...onPool(namespace.name),
            containers: [{ name: 'web', image: 'web', resources: { requests: { cpu: '500m', memory: '256Mi' } } }],
          },
        },
      },
    });
    // As a GitOps tool would: what Headroom takes is given back in its name.
    await kubectl(['apply', '--server-side', '--field-manager=argocd', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'keda.sh/v1alpha1',
        kind: 'ScaledObject',
        metadata: { name: 'web', namespace: namespace.name },
        spec: {
          scaleTargetRef: { name: 'web' },
          minReplicaCount: 2,
          maxReplicaCount: 20,
          triggers: [{ type: 'cpu', metricType: 'Utilization', metadata: { value: '70' } }],
        },
      }),
    });
    acme = actor(namespace.name, {
      workloads: [{ workload: 'web', kind: 'Deployment', namespace: namespace.name, name: 'web', takeOwnership: true }],
    });
    await eventually(async () => (await hpa('{.spec.minReplicas}')) === '2');
    await eventually(async () => (await ready()) === 2);
  });
  afterAll(async () => {
    await acme?.close();
    await kubectl(['-n', namespace.name, 'delete', 'scaledobject', 'web', '--ignore-not-found']);
    await namespace?.remove();
    await removeNodes(namespace?.name ?? '');
  });

  it('is read: the ScaledObject’s, not that of the HPA which KEDA makes', async () => {
    const seen = await eventually(async () => {
      const found = await state();
      return found?.autoscaler?.kind === 'scaledobject' ? found : null;
    });
    expect(seen.autoscaler).toMatchObject({ name: 'web', floor: 2, ceiling: 20 });
    expect(seen.owners.floor).toBe('argocd');
  });

  it('raised: KEDA carries it over, pods come, and nobody writes a second time', async () => {
    const scaled = await recordObject(namespace.name, 'scaledobject/web', 'minReplicaCount');
    const made = await recordObject(namespace.name, 'hpa/keda-hpa-web', 'minReplicas');
    expect(await acme.apply(floor(6), 'change/acme/1#0')).toEqual({ kind: 'applied', value: 6 });
    await eventually(async () => (await hpa('{.spec.minReplicas}')) === '6');
    await eventually(async () => (await ready()) === 6);
    // Several rounds of KEDA's and of the HPA's.
    await delay(10_000);
    await Promise.all([scaled.stop(), made.stop()]);
    expect(scaled.values()).toEqual([2, 6]);
    expect(made.values()).toEqual([2, 6]);
    expect({ scaled: scaled.writes(), hpa: made.writes() }).toEqual({ scaled: 1, hpa: 1 });
    expect(scaled.managers()).toContain('headroom');
    expect(made.managers()).not.toContain('headroom');
    expect(await state()).toMatchObject({ autoscaler: { floor: 6, userFloor: 2 }, owners: { floor: 'headroom' } });
  });

  it('a person’s edit of it is seen and left alone, and KEDA follows the person', async () => {
    const over = { expect: { value: 6, owner: 'headroom' } };
    const edit = (value: number, manager: string) =>
      kubectl([
        ...['-n', namespace.name, 'patch', 'scaledobject', 'web', '--type=merge', `--field-manager=${manager}`],
        ...['-p', JSON.stringify({ spec: { minReplicaCount: value } })],
      ]);
    await edit(4, 'ann');
    expect(await acme.apply(floor(9), 'change/acme/2#0', over)).toEqual({ kind: 'moved', value: 4, owner: 'ann' });
    await eventually(async () => (await hpa('{.spec.minReplicas}')) === '4');
    await eventually(async () => (await ready()) === 4);
  });

  it('raised again and put back: the old floor in its old owner’s name, and KEDA lowers', async () => {
    const scaled = await recordObject(namespace.name, 'scaledobject/web', 'minReplicaCount');
    const made = await recordObject(namespace.name, 'hpa/keda-hpa-web', 'minReplicas');
    expect(await acme.apply(floor(8), 'change/acme/3#0')).toEqual({ kind: 'applied', value: 8 });
    await eventually(async () => (await ready()) === 8);
    const back = await acme.restore(floor(4), ['change/acme/3#0'], 'change/acme/3#back-0', 'ann');
    expect(back).toEqual({ kind: 'applied', value: 4 });
    await eventually(async () => (await ready()) === 4);
    await delay(5_000);
    await Promise.all([scaled.stop(), made.stop()]);
    expect(scaled.values()).toEqual([4, 8, 4]);
    expect(made.values()).toEqual([4, 8, 4]);
    expect({ scaled: scaled.writes(), hpa: made.writes() }).toEqual({ scaled: 2, hpa: 2 });
    expect((await state())?.owners.floor).toBe('ann');
  });

  it('above what KEDA allows it is refused before KEDA could', async () => {
    const result = await acme.apply(floor(21), 'change/acme/4#0');
    expect(result.kind).toBe('refused');
    expect('detail' in result ? result.detail : '').toContain('maxReplicaCount 20 of ScaledObject web');
  });
});
