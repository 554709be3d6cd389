import { loadHighs } from '../../src/allocate/solver.js';
import { prepareFleet, chargeOf, stepsOf } from '../../src/allocate/fleet/prepare.js';
import type { FleetInput } from '../../src/allocate/fleet/index.js';

/**
 * The least that a small fleet can cost: every number of nodes of every pool in every block is tried; what is placed on
 * them is a linear program of its own in each block, in the LP format, part by part.
 */
export async function bruteForce(): Promise<(input: FleetInput) => number> {
  const highs = await loadHighs();
  return (input) => {
    const fleet = prepareFleet(input);
    const { blocks, pools, parts, hours, money } = fleet;
    const C = fleet.components.length;
    const placing = (t: number, nodes: readonly number[]): number => {
      const cost: string[] = ['0 zero'];
      const rows: string[] = [];
      const bounds: string[] = [];
      const used = new Map<string, string[]>();
      const length = hours[t] ?? 0;
      for (let p = 0; p < pools; p++) {
        cost.push(`${(fleet.warmPrice[p] ?? 0) * length} k${p}`);
        bounds.push(`k${p} <= ${fleet.warm[p] ?? 0}`);
      }
      for (let e = 0; e < parts.count; e++) {
        const index = e * blocks + t;
        if ((parts.value[index] ?? 0) <= 0) continue;
        const all: string[] = [];
        const spot: string[] = [];
        const spent: string[] = [];
        for (let p = 0; p < pools; p++) {
          if (parts.allowed[e * pools + p] === 0) continue;
          const name = `x${e}_${p}`;
          all.push(name);
          cost.push(`${(parts.cost[index * pools + p] ?? 0) * length} ${name}`);
          if (fleet.spot[p] === 1) spot.push(name);
          spent.push(`${chargeOf(fleet, parts, e, t, p)} ${name}`);
          for (let c = 0; c < C; c++) {
            const load = parts.load[index * C + c] ?? 0;
            if (load > 0) used.set(`${p}/${c}`, [...(used.get(`${p}/${c}`) ?? []), `${load} ${name}`]);
          }
        }
        const steps = stepsOf(parts.guaranteed[e] === 1);
        steps.forEach((step, j) => {
          all.push(`q${e}_${j}`);
          cost.push(`${(parts.short[index] ?? 0) * step * length} q${e}_${j}`);
          bounds.push(`q${e}_${j} <= ${1 / steps.length}`);
        });
        rows.push(`${all.join(' + ')} = 1`);
        if (spot.length > 0) rows.push(`${spot.join(' + ')} <= ${parts.spotShare[e] ?? 1}`);
        const budget = parts.budget[index] ?? Number.POSITIVE_INFINITY;
        if (Number.isFinite(budget) && spent.length > 0) rows.push(`${spent.join(' + ')} <= ${budget}`);
      }
      for (let p = 0; p < pools; p++) {
        for (let c = 0; c < C; c++) {
          const node = fleet.node[p * C + c] ?? 0;
          if (node === 0) continue;
          const load = used.get(`${p}/${c}`) ?? ['0 zero'];
          rows.push(`${load.join(' + ')} - ${node} k${p} <= ${node * ((nodes[p] ?? 0) - (fleet.warm[p] ?? 0))}`);
        }
      }
      const solved = highs.solve(
        `Minimize\n obj: ${cost.join(' + ')}\nSubject To\n ${rows.join('\n ')}\nBounds\n zero <= 1\n ${bounds.join('\n ')}\nEnd`,
      );
      return solved.Status === 'Optimal' ? solved.ObjectiveValue : Number.POSITIVE_INFINITY;
    };
    const combinations = (t: number): number[][] => {
      let found: number[][] = [[]];
      for (let p = 0; p < pools; p++) {
        const at = p * blocks + t;
        const next: number[][] = [];
        for (const one of found)
          for (let n = fleet.low[at] ?? 0; n <= (fleet.high[at] ?? 0); n++) next.push([...one, n]);
        found = next;
      }
      return found;
    };
    let before = [{ nodes: [...fleet.now], cost: 0 }];
    for (let t = 0; t < blocks; t++) {
      before = combinations(t).map((nodes) => {
        const { from = 0, to = 0 } = input.blocks[t] ?? {};
        const bill = nodes.reduce((sum, n, p) => {
          const { pricePerHour = 0, held = [] } = input.pools[p] ?? {};
          const through = held.filter((one) => one.from <= from && one.until >= to);
          const free = Math.min(
            n,
            through.reduce((all, one) => all + one.nodes, 0),
          );
          let paid = 0;
          for (const one of held) {
            const seconds = Math.max(0, Math.min(to, one.until) - Math.max(from, one.from));
            paid += one.nodes * one.pricePerHour * (seconds / 3600);
          }
          const each = n * (fleet.nodePrice[p] ?? 0) - (0.999 * free * pricePerHour) / money;
          return sum + each * (hours[t] ?? 0) + paid / money;
        }, 0);
        const own = bill + placing(t, nodes);
        const starts = before.map((from) =>
          nodes.reduce(
            (sum, n, p) => sum + (fleet.startPrice[p] ?? 0) * Math.max(0, n - (from.nodes[p] ?? 0)),
            from.cost,
          ),
        );
        return { nodes, cost: own + Math.min(...starts) };
      });
    }
    return Math.min(...before.map((one) => one.cost)) * money;
  };
}
