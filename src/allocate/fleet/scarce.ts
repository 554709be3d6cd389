import type { Fleet } from './prepare.js';

/** Sets of pools that are compared with each other; of more, each is looked at alone. */
const MOST_SETS = 200;

/**
 * What accounts have too little of: by the pools that each may use, the component whose demand, of all that are confined to those
 * pools or to some of them, exceeds most what they can have by a block. A wider set that is shorter still counts instead.
 * @param allowed [account · pools + pool].
 * @param demands in units, [(account · blocks + block) · components + component].
 * @returns index of the component, −1 where nothing is scarce, [account · blocks + block].
 */
export function scarceComponents(
  fleet: Pick<Fleet, 'input' | 'blocks' | 'pools' | 'components' | 'node'>,
  allowed: Uint8Array,
  demands: Float64Array,
): Int32Array {
  const { input, blocks, pools, components, node } = fleet;
  const C = components.length;
  const each = blocks * C;
  const sets = new Map<string, { may: Uint8Array; demand: Float64Array; accounts: number[] }>();
  for (let a = 0; a < input.accounts.length; a++) {
    const may = allowed.subarray(a * pools, (a + 1) * pools);
    const key = may.join('');
    const set = sets.get(key) ?? { may, demand: new Float64Array(each), accounts: [] };
    for (let i = 0; i < each; i++) set.demand[i] = (set.demand[i] ?? 0) + (demands[a * each + i] ?? 0);
    set.accounts.push(a);
    sets.set(key, set);
  }
  const all = [...sets.values()];
  const within = (inner: Uint8Array, outer: Uint8Array): boolean => inner.every((is, p) => is === 0 || outer[p] === 1);
  const compared = all.length <= MOST_SETS;

  /** Demand by capacity of each set, [block · components + component]. */
  const pressures = all.map((set) => {
    const pressure = new Float64Array(each);
    for (const other of compared ? all : [set]) {
      if (other !== set && !within(other.may, set.may)) continue;
      for (let i = 0; i < each; i++) pressure[i] = (pressure[i] ?? 0) + (other.demand[i] ?? 0);
    }
    for (let t = 0; t < blocks; t++) {
      for (let c = 0; c < C; c++) {
        let room = 0;
        input.pools.forEach((pool, p) => {
          const most = pool.size === 'fixed' || t < pool.readyFrom ? Math.min(pool.now, pool.max) : pool.max;
          if (set.may[p] === 1) room += most * (node[p * C + c] ?? 0);
        });
        const at = t * C + c;
        if ((pressure[at] ?? 0) > 0) pressure[at] = room > 0 ? (pressure[at] ?? 0) / room : Number.POSITIVE_INFINITY;
      }
    }
    return pressure;
  });

  const scarce = new Int32Array(input.accounts.length * blocks).fill(-1);
  for (const [index, set] of all.entries()) {
    for (let t = 0; t < blocks; t++) {
      let [worst, found] = [1 + 1e-9, -1];
      for (const [other, pressure] of pressures.entries()) {
        const holds = other === index || (compared && within(set.may, all[other]?.may ?? set.may));
        for (let c = 0; holds && c < C; c++) {
          const at = pressure[t * C + c] ?? 0;
          if (at > worst) [worst, found] = [at, c];
        }
      }
      for (const a of set.accounts) scarce[a * blocks + t] = found;
    }
  }
  return scarce;
}
