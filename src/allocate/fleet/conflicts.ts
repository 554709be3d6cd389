import type { Highs } from 'highs';
import { isoTime } from '../../domain/time.js';
import { tooMuchPromised } from './promises.js';
import { irreducible } from '../conflict.js';
import { createProgramBuilder, runProgram } from './lp.js';
import { chargeOf, type Fleet } from './prepare.js';
import type { FleetConflict } from './problem.js';
import { servedShare, type Placement } from './sums.js';

/** Accounts named one by one in a conflict, those that lack most; the others' guarantees count as one limit. */
const NAMED = 10;

/** Why guarantees or minimums cannot be kept: irreducible sets of limits in words, with what the plan gives up. */
export function findConflicts(highs: Highs, fleet: Fleet, nodes: Int32Array, placement: Placement): FleetConflict[] {
  const conflicts: FleetConflict[] = [];
  fleet.input.pools.forEach((pool, p) => {
    const least = pool.size === 'fixed' ? pool.now : pool.min;
    if (least <= pool.max) return;
    conflicts.push({
      set: [
        {
          constraint: 'pool-size',
          words: `${pool.size === 'fixed' ? 'fixed size' : 'minimum'} ${least} nodes of pool ${pool.name}`,
        },
        { constraint: 'pool-size', words: `maximum ${pool.max} nodes of pool ${pool.name}` },
      ],
      gaveUp: `${least - (nodes[p * fleet.blocks] ?? 0)} nodes of pool ${pool.name}: it stays at its maximum`,
    });
  });
  const guarantees = guaranteeConflict(highs, fleet, placement);
  if (guarantees !== null) conflicts.push(guarantees);
  return [...conflicts, ...(guarantees === null ? tooMuchPromised(fleet) : [])];
}

function guaranteeConflict(highs: Highs, fleet: Fleet, placement: Placement): FleetConflict | null {
  const { blocks, parts, input } = fleet;
  for (let t = 0; t < blocks; t++) {
    const lacking: { part: number; lack: number }[] = [];
    for (let e = 0; e < parts.count; e++) {
      const value = parts.value[e * blocks + t] ?? 0;
      if (parts.guaranteed[e] !== 1 || value <= 0) continue;
      const unserved = 1 - servedShare(fleet, placement, e * blocks + t);
      if (unserved > 1e-6) lacking.push({ part: e, lack: unserved * value });
    }
    if (lacking.length === 0) continue;
    lacking.sort((a, b) => b.lack - a.lack || a.part - b.part);
    const named = lacking.slice(0, NAMED).map(({ part }) => part);
    const words = lacking
      .slice(0, 3)
      .map(({ part }) => `${nameOf(fleet, part)} ${percent(1 - servedShare(fleet, placement, part * blocks + t))}`);
    const more = lacking.length > 3 ? `, and ${lacking.length - 3} more` : '';
    return {
      set: guaranteeLimits(highs, fleet, t, named),
      gaveUp: `of what is guaranteed at ${isoTime(input.blocks[t]?.from ?? 0)}: ${words.join(', ')}${more}`,
    };
  }
  return null;
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
const nameOf = (fleet: Fleet, part: number): string => fleet.input.accounts[fleet.parts.account[part] ?? 0]?.name ?? '';

/** The limits of one block that cannot be kept together with the guarantees of the named parts. */
function guaranteeLimits(highs: Highs, fleet: Fleet, t: number, named: readonly number[]): FleetConflict['set'] {
  const { input, blocks, pools, parts, high, node, spot } = fleet;
  const C = fleet.components.length;
  const limits = new Map<string, { constraint: string; words: string }>();
  const others: number[] = [];
  for (let e = 0; e < parts.count; e++) {
    if (parts.guaranteed[e] === 1 && (parts.value[e * blocks + t] ?? 0) > 0 && !named.includes(e)) others.push(e);
  }
  for (const e of named) {
    const account = input.accounts[parts.account[e] ?? 0];
    if (account === undefined) continue;
    limits.set(`guarantee/${e}`, { constraint: 'guarantee', words: `what ${account.name} is guaranteed` });
    if (account.pools !== null) {
      limits.set(`pools/${e}`, {
        constraint: 'pools',
        words: `${account.name} may use ${account.pools.length === 0 ? 'no pool' : `pools ${account.pools.join(', ')} alone`}`,
      });
    }
    if (account.spotMaxShare < 1) {
      limits.set(`spot/${e}`, {
        constraint: 'spot-share',
        words: `at most ${percent(account.spotMaxShare)} of ${account.name} on spot`,
      });
    }
    if (account.budgetPerHour !== null) {
      limits.set(`budget/${e}`, {
        constraint: 'budget',
        words: `budget of ${account.budgetPerHour} an hour of ${account.name}`,
      });
    }
  }
  if (others.length > 0) {
    limits.set('others', {
      constraint: 'guarantee',
      words: `what the other ${others.length} accounts are guaranteed`,
    });
  }
  input.pools.forEach((pool, p) => {
    const early = pool.size === 'variable' && t < pool.readyFrom && pool.now < pool.max;
    limits.set(`pool/${p}`, {
      constraint: early ? 'lead-time' : 'pool-size',
      words: early
        ? `pool ${pool.name} has ${pool.now} nodes until new ones are ready`
        : `pool ${pool.name} has ${pool.size === 'fixed' ? 'a fixed size of' : 'at most'} ${high[p * blocks + t] ?? 0} nodes`,
    });
  });
  const offers = (e: number, p: number): boolean => {
    for (let c = 0; c < C; c++) {
      if ((parts.load[(e * blocks + t) * C + c] ?? 0) > 0 && (node[p * C + c] ?? 0) === 0) return false;
    }
    return true;
  };
  const impossible = (kept: readonly string[]): boolean => {
    const keeps = new Set(kept);
    const builder = createProgramBuilder();
    const rows = Int32Array.from({ length: pools * C }, (_, at) => {
      const p = Math.trunc(at / C);
      const room = (node[at] ?? 0) * limitOf(fleet, p, t);
      return builder.row(Number.NEGATIVE_INFINITY, keeps.has(`pool/${p}`) ? room : Number.POSITIVE_INFINITY);
    });
    const demandOf = (members: readonly number[], rules: { pools: boolean; spot: boolean; budget: boolean }): void => {
      const first = members[0] ?? 0;
      const all = builder.row(1, 1);
      const spotRow = rules.spot ? builder.row(Number.NEGATIVE_INFINITY, parts.spotShare[first] ?? 1) : -1;
      const own = parts.budget[first * blocks + t] ?? Number.POSITIVE_INFINITY;
      const budgetRow = rules.budget && Number.isFinite(own) ? builder.row(Number.NEGATIVE_INFINITY, own) : -1;
      for (let p = 0; p < pools; p++) {
        if (rules.pools ? parts.allowed[first * pools + p] === 0 : !offers(first, p)) continue;
        builder.column(0, 0, 1);
        builder.entry(all, 1);
        for (let c = 0; c < C; c++) {
          let load = 0;
          for (const e of members) load += parts.load[(e * blocks + t) * C + c] ?? 0;
          builder.entry(rows[p * C + c] ?? 0, load);
        }
        if (spotRow >= 0 && spot[p] === 1) builder.entry(spotRow, 1);
        if (budgetRow >= 0) builder.entry(budgetRow, chargeOf(fleet, parts, first, t, p));
      }
    };
    for (const e of named) {
      if (!keeps.has(`guarantee/${e}`)) continue;
      demandOf([e], {
        pools: keeps.has(`pools/${e}`),
        spot: keeps.has(`spot/${e}`),
        budget: keeps.has(`budget/${e}`),
      });
    }
    if (keeps.has('others')) {
      const groups = new Map<string, number[]>();
      for (const e of others) {
        const key = `${parts.allowed.subarray(e * pools, (e + 1) * pools).join('')}/${parts.spotShare[e]}`;
        const group = groups.get(key);
        if (group === undefined) groups.set(key, [e]);
        else group.push(e);
      }
      for (const members of groups.values()) demandOf(members, { pools: true, spot: true, budget: false });
    }
    return runProgram(highs, builder.build(), { iterationLimit: 20_000 }) === null;
  };
  const found = irreducible([...limits.keys()], impossible).flatMap((id) => limits.get(id) ?? []);
  if (found.length > 0) return found;
  return [{ constraint: 'guarantee', words: 'guarantees and whole nodes do not fit together in this block' }];
}

/** The most nodes that a pool can have in a block, whether or not they could be used. */
function limitOf(fleet: Fleet, p: number, t: number): number {
  const pool = fleet.input.pools[p];
  if (pool === undefined) return 0;
  if (pool.size === 'fixed' || t < pool.readyFrom) return Math.min(pool.now, pool.max);
  return pool.max;
}
