import type { Fleet } from './prepare.js';

/** What accounts are to be granted of one component: the highest of their blocks, and beyond. */
export interface Claims {
  /** By account: what it is guaranteed. Never cut. */
  promised: Float64Array;
  /** By account: the highest block of what is placed for it. */
  served: Float64Array;
  /** By account: what nobody needs, given on top. */
  spare: Float64Array;
}

/**
 * Cuts claims to what the pools can hold. The highest blocks of accounts need not be the same block: each fits when it
 * comes, and all of them together may not. Of accounts that can go nowhere but to some pools, all grants together stay
 * within those pools' nodes in the block that has the most: what is spare goes first, then what is beyond guarantees, the
 * heavier account keeping the larger part of its own.
 * @param c the component, by its place in `fleet.components`; amounts are in the fleet's units, changed in place.
 * @returns by account: 1 where it was cut below what is placed for it.
 */
export function cutToPools(fleet: Fleet, nodes: Int32Array, c: number, claims: Claims): Uint8Array {
  const { input, blocks, pools, components, node } = fleet;
  const { promised, served, spare } = claims;
  const last = input.grantBlocks ?? 1;
  const cut = new Uint8Array(input.accounts.length);
  for (const set of poolSets(fleet)) {
    let room = 0;
    for (let t = 0; t < last; t++) {
      let now = 0;
      for (const p of set.pools) now += (nodes[p * blocks + t] ?? 0) * (node[p * components.length + c] ?? 0);
      room = Math.max(room, now);
    }
    let [firm, beyond, extra] = [0, 0, 0];
    for (const a of set.accounts) {
      firm += promised[a] ?? 0;
      beyond += Math.max(0, (served[a] ?? 0) - (promised[a] ?? 0));
      extra += spare[a] ?? 0;
    }
    const left = Math.max(0, room - firm);
    const keeps = extra > 0 ? Math.min(1, Math.max(0, left - beyond) / extra) : 1;
    if (keeps < 1) for (const a of set.accounts) spare[a] = (spare[a] ?? 0) * keeps;
    if (beyond <= left * (1 + 1e-9) + 1e-12) continue;
    const most = largestPart(fleet, set.accounts, claims, left);
    for (const a of set.accounts) {
      const own = Math.max(0, (served[a] ?? 0) - (promised[a] ?? 0));
      const part = Math.min(1, most * (input.accounts[a]?.weight ?? 0));
      if (own === 0 || part >= 1) continue;
      served[a] = (promised[a] ?? 0) + own * part;
      cut[a] = 1;
    }
  }
  return cut;

  /** Sets of pools that some accounts can go to and to no others, the smallest first, and at last all of them. */
  function poolSets(of: Fleet): { pools: number[]; accounts: number[] }[] {
    const sets = new Map<string, number[]>();
    const all = Array.from({ length: pools }, (_, p) => p);
    sets.set(all.join(), all);
    const own = allowedByAccount(of);
    for (const set of own) sets.set(set.join(), set);
    return [...sets.values()]
      .sort((a, b) => a.length - b.length || (a.join() < b.join() ? -1 : 1))
      .map((set) => {
        const within = new Set(set);
        const accounts = own.flatMap((mine, a) => (mine.every((p) => within.has(p)) ? [a] : []));
        return { pools: set, accounts };
      });
  }
}

function allowedByAccount({ input, pools, parts }: Fleet): number[][] {
  const partOf = new Int32Array(input.accounts.length).fill(-1);
  for (let e = 0; e < parts.count; e++) partOf[parts.account[e] ?? 0] = e;
  return input.accounts.map((account, a) => {
    const part = partOf[a] ?? -1;
    const named = account.pools === null ? null : new Set(account.pools);
    const mine: number[] = [];
    for (let p = 0; p < pools; p++) {
      const may =
        part >= 0 ? parts.allowed[part * pools + p] === 1 : named === null || named.has(input.pools[p]?.name ?? '');
      if (may) mine.push(p);
    }
    return mine;
  });
}

/** The factor by which weights become parts, 1 at most each, so that all parts together are `left`. */
function largestPart(fleet: Fleet, accounts: readonly number[], { promised, served }: Claims, left: number): number {
  const wants = accounts
    .map((a) => ({
      own: Math.max(0, (served[a] ?? 0) - (promised[a] ?? 0)),
      weight: fleet.input.accounts[a]?.weight ?? 0,
    }))
    .filter(({ own, weight }) => own > 0 && weight > 0)
    .sort((a, b) => b.weight - a.weight);
  let weighed = wants.reduce((sum, { own, weight }) => sum + own * weight, 0);
  let rest = left;
  for (const { own, weight } of wants) {
    // The heaviest keep all of theirs as long as the others are left what their weights say.
    if (weighed <= 0 || (rest / weighed) * weight < 1) break;
    rest -= own;
    weighed -= own * weight;
  }
  return weighed > 0 ? Math.max(0, rest / weighed) : 0;
}
