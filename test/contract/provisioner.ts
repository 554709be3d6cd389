import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PoolTarget } from '../../src/cluster/port.js';
import type { Provisioner } from '../../src/cluster/provision.js';
import type { FieldTarget, Mutation } from '../../src/domain/cluster.js';
import { isHeadroomError } from '../../src/domain/errors.js';
import { seenValue } from '../../src/domain/seen.js';

/** The world that every provisioner is put in front of: pool `general` at 2 nodes, set by `ops`; no pool `ghost`. */
export interface ProvisionerWorld {
  provisioner: Provisioner;
  /** How the pool of a name is provisioned here. */
  place(pool: string): PoolTarget;
  /** The field that says how many nodes it has, at so many. */
  target(pool: string, nodes: number): FieldTarget;
  /** Somebody else sets it. */
  foreignWrite(nodes: number, owner: string): Promise<void>;
  /** The next write happens, its answer gets lost. */
  loseNextAnswer(): Promise<void>;
  goDown(): Promise<void>;
  /** Answers take longer than a cancelling caller waits. */
  goSlow(): Promise<void>;
  /** Whether a write repeats by itself where its answer was lost. */
  repeatsItself?: boolean;
  tearDown(): Promise<void>;
}

const KEY = 'change/fleet_main/7#general';
const never = (): AbortSignal => new AbortController().signal;

export function provisionerContract(name: string, setUp: () => Promise<ProvisionerWorld>): void {
  describe(`provisioner contract: ${name}`, () => {
    let world: ProvisionerWorld;
    beforeEach(async () => {
      world = await setUp();
    });
    afterEach(() => world.tearDown());

    const valueOf = (nodes: number): number => world.target('general', nodes).value;
    const mutation = (nodes: number, options: Partial<Mutation> = {}): Mutation => ({
      key: KEY,
      account: 'fleet_main',
      target: world.target('general', nodes),
      expect: { value: valueOf(2), owner: 'ops' },
      reason: 'demand of the fleet',
      ...options,
    });
    const apply = (given: Mutation, signal = never()) => world.provisioner.apply(given, world.place('general'), signal);
    const restore = (nodes: number, changeKeys = [KEY]) =>
      world.provisioner.restore(
        {
          key: 'change/fleet_main/7#back',
          changeKeys,
          account: 'fleet_main',
          target: world.target('general', nodes),
          owner: 'ops',
          reason: 'put back',
        },
        world.place('general'),
        never(),
      );
    const see = async () => {
      const pool = await world.provisioner.read(world.place('general'), never());
      if (pool === null) throw new Error('the pool was not answered');
      const seen = seenValue({ at: 0, workloads: [], pools: [pool] }, world.target('general', 0));
      return { value: seen?.value, owner: seen?.owner };
    };

    test('a pool tells what is asked for, and who asked', async () => {
      expect(await see()).toEqual({ value: valueOf(2), owner: 'ops' });
    });

    test('provision: applied once, then it is Headroom’s', async () => {
      expect(await apply(mutation(5))).toMatchObject({ kind: 'applied', value: valueOf(5) });
      expect(await see()).toEqual({ value: valueOf(5), owner: 'headroom' });
    });

    test('drain: fewer nodes are asked for in the same way', async () => {
      expect(await apply(mutation(1))).toMatchObject({ kind: 'applied', value: valueOf(1) });
      expect(await see()).toEqual({ value: valueOf(1), owner: 'headroom' });
    });

    test('a repeat with the same key writes nothing again', async () => {
      await apply(mutation(5));
      await world.foreignWrite(3, 'ops');
      expect(await apply(mutation(5))).toMatchObject({ kind: 'repeated' });
      expect(await see()).toEqual({ value: valueOf(3), owner: 'ops' });
    });

    test('what somebody else set since the plan stays, and is told', async () => {
      await world.foreignWrite(4, 'ops');
      expect(await apply(mutation(5))).toMatchObject({ kind: 'moved', value: valueOf(4) });
      expect(await see()).toEqual({ value: valueOf(4), owner: 'ops' });
    });

    test('another owner at the same value is another plan’s business', async () => {
      const given = mutation(5, { expect: { value: valueOf(2), owner: 'cluster-autoscaler' } });
      expect(await apply(given)).toMatchObject({ kind: 'moved', owner: 'ops' });
    });

    test('a pool that is not there is said so', async () => {
      const place = world.place('ghost');
      const answered = await world.provisioner.apply(mutation(5, { target: world.target('ghost', 5) }), place, never());
      expect(answered.kind).toBe('not-found');
    });

    test('a lost answer: the write is found, and not made twice', async () => {
      await world.loseNextAnswer();
      const first = await apply(mutation(5)).catch((error: unknown) => error);
      if (world.repeatsItself === true) expect(first).toMatchObject({ kind: 'repeated' });
      else expect(isHeadroomError(first) ? first.kind : first).toBe('unavailable');
      expect(await apply(mutation(5))).toMatchObject({ kind: 'repeated' });
      expect(await see()).toEqual({ value: valueOf(5), owner: 'headroom' });
    });

    test('out of reach is an error that may pass, for reads and for writes', async () => {
      await world.goDown();
      for (const call of [() => see(), () => apply(mutation(5))]) {
        const error = await call().catch((thrown: unknown) => thrown);
        expect(isHeadroomError(error) ? error.kind : error).toBe('unavailable');
      }
    });

    test('a cancelled caller is not kept waiting', async () => {
      await world.goSlow();
      const cancelled = new AbortController();
      const answer = apply(mutation(5), cancelled.signal);
      cancelled.abort(new Error('enough'));
      await expect(answer).rejects.toThrow();
    });

    test('put back: the value of before, in the name of who had it', async () => {
      await apply(mutation(5));
      expect(await restore(2)).toMatchObject({ kind: 'applied', value: valueOf(2) });
      expect(await see()).toEqual({ value: valueOf(2), owner: 'ops' });
      expect(await apply(mutation(5)), 'a late repeat of what was put back').toMatchObject({ kind: 'repeated' });
      expect(await see()).toEqual({ value: valueOf(2), owner: 'ops' });
    });

    test('put back: a person’s edit since stays', async () => {
      await apply(mutation(5));
      await world.foreignWrite(9, 'ops');
      expect(await restore(2)).toMatchObject({ kind: 'moved', value: valueOf(9) });
      expect(await see()).toEqual({ value: valueOf(9), owner: 'ops' });
    });
  });
}
