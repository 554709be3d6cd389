import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CapacityTarget, FieldTarget, Mutation, WorkloadState } from '../../src/domain/cluster.js';
import { isHeadroomError } from '../../src/domain/errors.js';
import type { Cluster, WorkloadTarget } from '../../src/cluster/port.js';

/**
 * The world that every adapter is put in front of: account `acme` with `web` (3 replicas, 500m and 1Gi each, no
 * autoscaler) and `api` (4 replicas, an HPA with floor 2 and ceiling 10); all fields owned by `kubectl`.
 */
export interface ClusterWorld {
  cluster: Cluster;
  /** Somebody else writes a field. */
  foreignWrite(target: CapacityTarget, owner: string): Promise<void>;
  /** The next write happens, its answer gets lost. */
  loseNextAnswer(): Promise<void>;
  goDown(): Promise<void>;
  /** Answers take longer than a cancelling caller waits. */
  goSlow(): Promise<void>;
  tearDown(): Promise<void>;
}

export const ACCOUNT = 'acme';
export const targetOf = (workload: string): WorkloadTarget => ({
  workload,
  kind: 'Deployment',
  namespace: ACCOUNT,
  name: workload,
  takeOwnership: true,
});
export const KEY = 'change/acme/1#1';
const never = () => new AbortController().signal;

/** A mutation of `web`'s replicas from 3 to 5, where nothing else is said. */
export function mutation(options: Partial<Mutation> = {}): Mutation {
  return {
    key: KEY,
    account: ACCOUNT,
    target: { field: 'replicas', workload: 'web', value: 5 },
    expect: { value: 3, owner: 'kubectl' },
    reason: 'forecast above capacity',
    ...options,
  };
}

export function clusterContract(name: string, setUp: () => Promise<ClusterWorld>): void {
  describe(`cluster contract: ${name}`, () => {
    let world: ClusterWorld;
    beforeEach(async () => {
      world = await setUp();
    });
    afterEach(() => world.tearDown());

    const workloadOf = (target: FieldTarget) => ('workload' in target ? target.workload : '');
    const apply = (given: Mutation, signal = never()) =>
      world.cluster.apply(given, targetOf(workloadOf(given.target)), signal);
    const restore = (
      target: CapacityTarget,
      options: { key?: string; changeKeys?: string[]; owner?: string | null } = {},
    ) =>
      world.cluster.restore(
        {
          key: options.key ?? 'change/acme/1#r1',
          changeKeys: options.changeKeys ?? [KEY],
          account: ACCOUNT,
          target,
          owner: options.owner === undefined ? 'kubectl' : options.owner,
          reason: 'verification failed',
        },
        targetOf(workloadOf(target)),
        never(),
      );
    const see = async (workload: string): Promise<WorkloadState> => {
      const request = { account: ACCOUNT, workloads: [targetOf(workload)], pools: [] };
      const state = (await world.cluster.observe(request, never())).workloads[0];
      if (state === undefined) throw new Error(`${workload} was not answered`);
      return state;
    };
    const replicas = (value: number): CapacityTarget => ({ field: 'replicas', workload: 'web', value });
    const cpu = (value: number): CapacityTarget => ({ field: 'request', workload: 'web', component: 'cpu', value });
    const memory = (value: number): CapacityTarget => ({
      field: 'request',
      workload: 'web',
      component: 'memory',
      value,
    });
    const floor = (value: number): CapacityTarget => ({ field: 'floor', workload: 'api', value });

    test('observe tells values, owners and the autoscaler', async () => {
      expect(await see('web')).toMatchObject({
        exists: true,
        replicas: 3,
        request: { cpu: 0.5, memory: 2 ** 30 },
        autoscaler: null,
        owners: { replicas: 'kubectl', request: 'kubectl', floor: null },
      });
      expect(await see('api')).toMatchObject({
        exists: true,
        replicas: 4,
        autoscaler: { kind: 'hpa', floor: 2, ceiling: 10 },
        owners: { floor: 'kubectl' },
      });
    });

    test('a workload that is not there is said not to exist, beside those that do', async () => {
      const workloads = [targetOf('ghost'), targetOf('web')];
      const state = await world.cluster.observe({ account: ACCOUNT, workloads, pools: [] }, never());
      expect(state.workloads.map(({ workload, exists }) => [workload, exists])).toEqual([
        ['ghost', false],
        ['web', true],
      ]);
    });

    const fields: { field: string; target: CapacityTarget; seen: number; read: (state: WorkloadState) => unknown[] }[] =
      [
        { field: 'replicas', target: replicas(5), seen: 3, read: (state) => [state.replicas, state.owners.replicas] },
        { field: 'request', target: cpu(0.75), seen: 0.5, read: (state) => [state.request.cpu, 'headroom'] },
        { field: 'floor', target: floor(6), seen: 2, read: (state) => [state.autoscaler?.floor, state.owners.floor] },
      ];
    test.each(fields)('$field: applied once, then Headroom is the owner', async ({ target, seen, read }) => {
      const given = mutation({ target, expect: { value: seen, owner: 'kubectl' } });
      expect(await apply(given)).toEqual({ kind: 'applied', value: target.value });
      expect(read(await see(workloadOf(target)))).toEqual([target.value, 'headroom']);
    });

    test.each(fields)('$field: a repeated key does not write again, whatever was written since', async (row) => {
      const { target, seen, read } = row;
      const given = mutation({ target, expect: { value: seen, owner: 'kubectl' } });
      await apply(given);
      expect(await apply(given)).toEqual({ kind: 'repeated', value: target.value });
      await world.foreignWrite({ ...target, value: seen }, 'kubectl');
      expect(await apply(given)).toEqual({ kind: 'repeated', value: seen });
      expect(read(await see(workloadOf(target)))).toContain(seen);
    });

    test('an answer that got lost is repeated safely', async () => {
      await world.loseNextAnswer();
      await expect(apply(mutation())).rejects.toSatisfy(isUnavailable);
      expect(await apply(mutation())).toEqual({ kind: 'repeated', value: 5 });
      expect((await see('web')).replicas).toBe(5);
    });

    test('a field that somebody else has taken is left alone, and the answer says who', async () => {
      await world.foreignWrite(replicas(4), 'argocd');
      expect(await apply(mutation({ expect: { value: 4, owner: 'kubectl' } }))).toEqual({
        kind: 'moved',
        value: 4,
        owner: 'argocd',
      });
      expect((await see('web')).replicas).toBe(4);
    });

    test('a value that moved under the plan is left alone', async () => {
      await world.foreignWrite(replicas(9), 'kubectl');
      expect(await apply(mutation())).toEqual({ kind: 'moved', value: 9, owner: 'kubectl' });
      expect((await see('web')).replicas).toBe(9);
    });

    const absent: { what: string; target: CapacityTarget }[] = [
      { what: 'workload', target: { field: 'replicas', workload: 'ghost', value: 5 } },
      { what: 'autoscaler', target: { field: 'floor', workload: 'web', value: 5 } },
      { what: 'component', target: { field: 'request', workload: 'web', component: 'gpu', value: 1 } },
    ];
    test.each(absent)('a $what that is not there is not found, by apply and by restore', async ({ target }) => {
      expect(await apply(mutation({ target }))).toMatchObject({ kind: 'not-found' });
      expect(await restore(target)).toMatchObject({ kind: 'not-found' });
    });

    const impossible: { what: string; target: CapacityTarget; seen: number }[] = [
      { what: 'a floor above the ceiling', target: floor(11), seen: 2 },
      { what: 'negative replicas', target: replicas(-1), seen: 3 },
    ];
    test.each(impossible)('$what is refused, and nothing is written', async ({ target, seen }) => {
      const given = mutation({ target, expect: { value: seen, owner: 'kubectl' } });
      expect(await apply(given)).toMatchObject({ kind: 'refused' });
      const state = await see(workloadOf(target));
      expect(target.field === 'floor' ? state.autoscaler?.floor : state.replicas).toBe(seen);
    });

    test('a cluster that is down is unavailable, to reads and writes', async () => {
      await world.goDown();
      await expect(see('web')).rejects.toSatisfy(isUnavailable);
      await expect(apply(mutation())).rejects.toSatisfy(isUnavailable);
      await expect(restore(replicas(3))).rejects.toSatisfy(isUnavailable);
    });

    test('a call that is cancelled before it begins writes nothing', async () => {
      const reason = new Error('the worker stops');
      await expect(apply(mutation(), AbortSignal.abort(reason))).rejects.toBe(reason);
      expect((await see('web')).replicas).toBe(3);
    });

    test('a call that is cancelled while it waits ends, and is no fault of the cluster', async () => {
      await world.goSlow();
      const error: unknown = await apply(mutation(), AbortSignal.timeout(50)).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Error);
      expect(isHeadroomError(error)).toBe(false);
    });

    test.each(fields)('$field: restored after the own change, and given back to its owner', async (row) => {
      const { target, seen, read } = row;
      await apply(mutation({ target, expect: { value: seen, owner: 'kubectl' } }));
      expect(await restore({ ...target, value: seen })).toEqual({ kind: 'applied', value: seen });
      expect(read(await see(workloadOf(target)))[0]).toBe(seen);
      const { owners } = await see(workloadOf(target));
      expect(owners[target.field === 'nodes' ? 'replicas' : target.field]).toBe('kubectl');
      expect(await restore({ ...target, value: seen })).toEqual({ kind: 'repeated', value: seen });
    });

    test('a late repeat of a change that was restored since does not bring it back', async () => {
      await apply(mutation());
      await restore(replicas(3));
      expect(await apply(mutation())).toEqual({ kind: 'repeated', value: 3 });
      expect((await see('web')).replicas).toBe(3);
    });

    test.each(fields)('$field: not restored over what a person wrote in between', async ({ target, seen, read }) => {
      await apply(mutation({ target, expect: { value: seen, owner: 'kubectl' } }));
      await world.foreignWrite({ ...target, value: target.value + 2 }, 'kubectl-edit');
      const moved = { kind: 'moved', value: target.value + 2, owner: 'kubectl-edit' };
      expect(await restore({ ...target, value: seen })).toEqual(moved);
      expect(read(await see(workloadOf(target)))[0]).toBe(target.value + 2);
    });

    test('not restored where a person confirmed what the change wrote', async () => {
      await apply(mutation());
      await world.foreignWrite(replicas(9), 'kubectl-edit');
      await world.foreignWrite(replicas(5), 'kubectl-edit');
      expect(await restore(replicas(3))).toEqual({ kind: 'moved', value: 5, owner: 'kubectl-edit' });
    });

    test('a restore whose answer got lost is repeated safely', async () => {
      await apply(mutation());
      await world.loseNextAnswer();
      await expect(restore(replicas(3))).rejects.toSatisfy(isUnavailable);
      expect(await restore(replicas(3))).toEqual({ kind: 'repeated', value: 3 });
    });

    test('restoring a field that the change never reached writes nothing', async () => {
      expect(await restore(replicas(3))).toEqual({ kind: 'repeated', value: 3 });
      await world.foreignWrite(replicas(8), 'kubectl');
      expect(await restore(replicas(3))).toEqual({ kind: 'moved', value: 8, owner: 'kubectl' });
    });

    test('a later change of Headroom is not undone by the restore of an earlier one', async () => {
      await apply(mutation());
      const later = mutation({ key: 'change/acme/2#1', target: replicas(7), expect: { value: 5, owner: 'headroom' } });
      expect(await apply(later)).toEqual({ kind: 'applied', value: 7 });
      expect(await restore(replicas(3))).toEqual({ kind: 'moved', value: 7, owner: 'headroom' });
    });

    test('changes of different fields do not disturb each other', async () => {
      expect(await apply(mutation())).toMatchObject({ kind: 'applied' });
      const expectCpu = { value: 0.5, owner: 'kubectl' };
      expect(await apply(mutation({ key: '#2', target: cpu(0.25), expect: expectCpu }))).toMatchObject({
        kind: 'applied',
      });
      const expectMemory = { value: 2 ** 30, owner: 'kubectl' };
      expect(await apply(mutation({ key: '#3', target: memory(2 ** 29), expect: expectMemory }))).toMatchObject({
        kind: 'applied',
      });
      expect(await restore(cpu(0.5), { key: '#r2', changeKeys: [KEY, '#2', '#3'] })).toEqual({
        kind: 'applied',
        value: 0.5,
      });
      expect(await apply(mutation())).toEqual({ kind: 'repeated', value: 5 });
      expect(await see('web')).toMatchObject({ replicas: 5, request: { cpu: 0.5, memory: 2 ** 29 } });
    });

    test('two writers with one fence: one is applied, the other told that it moved', async () => {
      const given = (key: string, value: number) => mutation({ key, target: replicas(value) });
      const results = await Promise.all([apply(given('a#1', 5)), apply(given('b#1', 6))]);
      expect(results.map(({ kind }) => kind).sort()).toEqual(['applied', 'moved']);
      const winner = results.find(({ kind }) => kind === 'applied');
      expect(winner).toMatchObject({ value: (await see('web')).replicas });
    });
  });
}

const isUnavailable = (error: unknown): boolean => isHeadroomError(error) && error.kind === 'unavailable';
