import type { FleetInput } from '../../src/allocate/fleet/problem.js';
import { chargeOf, prepareFleet, stepsOf } from '../../src/allocate/fleet/prepare.js';

/**
 * A fleet as one mixed-integer program in MPS: each part of each account for itself, with whole nodes. The amounts and
 * prices are those of `prepareFleet`; no cluster, price or rounding of ours is in it. Money as in the input.
 */
export function fleetMps(input: FleetInput): string {
  const fleet = prepareFleet(input);
  const { blocks, pools, parts, hours, money } = fleet;
  const C = fleet.components.length;
  const rows: string[] = ['N cost'];
  const columns: string[] = [];
  const rhs: string[] = [];
  const bounds: string[] = [];
  const exact = (value: number): string => value.toPrecision(17);
  const column = (name: string, cost: number, entries: readonly [string, number][]): void => {
    columns.push(`${name} cost ${exact(cost * money)}`);
    for (const [row, value] of entries) if (value !== 0) columns.push(`${name} ${row} ${exact(value)}`);
  };
  const capacity = (t: number, p: number, c: number): string => `c_${t}_${p}_${c}`;
  for (let t = 0; t < blocks; t++) {
    for (let p = 0; p < pools; p++) {
      for (let c = 0; c < C; c++) {
        const offered = fleet.node[p * C + c] ?? 0;
        if (offered === 0) continue;
        rows.push(`L ${capacity(t, p, c)}`);
        rhs.push(`rhs ${capacity(t, p, c)} ${exact(-offered * (fleet.warm[p] ?? 0))}`);
      }
      rows.push(`G s_${t}_${p}`);
      if (t === 0) rhs.push(`rhs s_0_${p} ${-(fleet.now[p] ?? 0)}`);
    }
  }
  const wholeColumns: string[] = [];
  for (let t = 0; t < blocks; t++) {
    const length = hours[t] ?? 0;
    for (let p = 0; p < pools; p++) {
      const room: [string, number][] = [];
      for (let c = 0; c < C; c++) {
        const offered = fleet.node[p * C + c] ?? 0;
        if (offered > 0) room.push([capacity(t, p, c), -offered]);
      }
      const starts: [string, number][] = [[`s_${t}_${p}`, -1]];
      if (t + 1 < blocks) starts.push([`s_${t + 1}_${p}`, 1]);
      const before = columns.length;
      column(`n_${t}_${p}`, length * (fleet.nodePrice[p] ?? 0), [...room, ...starts]);
      wholeColumns.push(...columns.splice(before));
      bounds.push(`LO bnd n_${t}_${p} ${fleet.low[p * blocks + t] ?? 0}`);
      bounds.push(`UP bnd n_${t}_${p} ${fleet.high[p * blocks + t] ?? 0}`);
      column(`u_${t}_${p}`, fleet.startPrice[p] ?? 0, [[`s_${t}_${p}`, 1]]);
      column(`k_${t}_${p}`, length * (fleet.warmPrice[p] ?? 0), room);
      bounds.push(`UP bnd k_${t}_${p} ${fleet.warm[p] ?? 0}`);
    }
  }
  for (let e = 0; e < parts.count; e++) {
    for (let t = 0; t < blocks; t++) {
      const index = e * blocks + t;
      if ((parts.value[index] ?? 0) <= 0) continue;
      const length = hours[t] ?? 0;
      rows.push(`E a_${e}_${t}`);
      rhs.push(`rhs a_${e}_${t} 1`);
      const restricted = (parts.spotShare[e] ?? 1) < 1;
      if (restricted) {
        rows.push(`L p_${e}_${t}`);
        rhs.push(`rhs p_${e}_${t} ${exact(parts.spotShare[e] ?? 1)}`);
      }
      const budget = parts.budget[index] ?? Number.POSITIVE_INFINITY;
      if (Number.isFinite(budget)) {
        rows.push(`L b_${e}_${t}`);
        rhs.push(`rhs b_${e}_${t} ${exact(budget)}`);
      }
      for (let p = 0; p < pools; p++) {
        if (parts.allowed[e * pools + p] === 0) continue;
        const entries: [string, number][] = [[`a_${e}_${t}`, 1]];
        for (let c = 0; c < C; c++) entries.push([capacity(t, p, c), parts.load[index * C + c] ?? 0]);
        if (restricted && fleet.spot[p] === 1) entries.push([`p_${e}_${t}`, 1]);
        if (Number.isFinite(budget)) entries.push([`b_${e}_${t}`, chargeOf(fleet, parts, e, t, p)]);
        column(`x_${e}_${t}_${p}`, length * (parts.cost[index * pools + p] ?? 0), entries);
      }
      const steps = stepsOf(parts.guaranteed[e] === 1);
      steps.forEach((step, j) => {
        column(`q_${e}_${t}_${j}`, length * step * (parts.short[index] ?? 0), [[`a_${e}_${t}`, 1]]);
        bounds.push(`UP bnd q_${e}_${t}_${j} ${1 / steps.length}`);
      });
    }
  }
  return [
    'NAME fleet',
    'ROWS',
    ...rows,
    'COLUMNS',
    "m1 'MARKER' 'INTORG'",
    ...wholeColumns,
    "m2 'MARKER' 'INTEND'",
    ...columns,
    'RHS',
    ...rhs,
    'BOUNDS',
    ...bounds,
    'ENDATA',
    '',
  ].join('\n');
}
