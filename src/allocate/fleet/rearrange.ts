import type { Answers, Prices } from './answers.js';
import { chargeOf, stepsOf, type Fleet } from './prepare.js';
import type { Placement } from './sums.js';

/*
 * One block's placement, moved part by part: out of pools that are too full to where it costs least at given prices, into
 * scarce pools that have room again. What is nearly right already (last cycle's plan on today's demand) needs few moves, and
 * those nearest to another choice go first, so that they cost next to nothing.
 */

/** How far a part may be from another choice, as a share of its worth: the nearest are asked first, all where they do not do. */
const NEAR = [0.002, 0.01] as const;
const TINY = 1e-9;

export interface Rearrangement {
  readonly block: number;
  /** Load of each pool, [pool · components + component], in units; kept as parts are moved. */
  readonly load: Float64Array;
  /** What moves have cost so far besides nodes, money per hour (negative: saved). */
  spent(): number;
  /** Serves what is worth more than it costs at the prices, whether or not there is room: `fit` makes it. */
  serve(): void;
  /** Takes out of pools what `nodes` of them do not hold, cheapest first, and serves in what room there is what goes unserved. */
  fit(nodes: ArrayLike<number>): void;
  /** Draws what is nearest to going there into the pools that have a price and so many nodes; 0 nodes: none is drawn there. */
  draw(nodes: ArrayLike<number>): void;
  /** To here `undo` goes back. */
  mark(): void;
  undo(): void;
}

/** What a placement looks like, block by block: found in one sweep, since parts of one block lie far apart in memory. */
interface Survey {
  /** As {@link Rearrangement.load}. */
  load: Float64Array;
  /** By pool, what runs there and is within each distance of `NEAR`. */
  near: [number[], number[]][];
  /** Parts that are not served whole. */
  open: number[];
}

function survey(fleet: Fleet, placement: Placement, answers: Answers): Survey[] {
  const { blocks, pools, parts } = fleet;
  const C = fleet.components.length;
  const found = Array.from({ length: blocks }, (): Survey => ({
    load: new Float64Array(pools * C),
    near: Array.from({ length: pools }, () => [[], []]),
    open: [],
  }));
  for (let e = 0; e < parts.count; e++) {
    for (let t = 0; t < blocks; t++) {
      const index = e * blocks + t;
      const here = found[t];
      if (here === undefined || (parts.value[index] ?? 0) <= 0) continue;
      let left = 1;
      const margin = answers.margin[index] ?? 0;
      for (let p = 0; p < pools; p++) {
        const share = placement[index * pools + p] ?? 0;
        if (share === 0) continue;
        left -= share;
        if (margin <= NEAR[0]) here.near[p]?.[0].push(e);
        if (margin <= NEAR[1]) here.near[p]?.[1].push(e);
        for (let c = 0; c < C; c++) {
          here.load[p * C + c] = (here.load[p * C + c] ?? 0) + share * (parts.load[index * C + c] ?? 0);
        }
      }
      if (left > TINY) here.open.push(e);
    }
  }
  return found;
}

/**
 * One a block.
 * @param placement is changed in place.
 * @param prices those that `answers` were given to.
 */
export function rearrangements(fleet: Fleet, placement: Placement, prices: Prices, answers: Answers): Rearrangement[] {
  return survey(fleet, placement, answers).map((seen, t) => rearrange(fleet, t, seen, placement, prices));
}

function rearrange(
  fleet: Fleet,
  block: number,
  { load, near, open }: Survey,
  placement: Placement,
  prices: Prices,
): Rearrangement {
  const { blocks, pools, parts, node, spot } = fleet;
  const C = fleet.components.length;
  const room = new Float64Array(pools * C);
  const warm = Float64Array.from({ length: pools }, (_, p) => keptWarm(fleet, block, p, prices));
  let every: number[] | null = null;
  const all = (): number[] => (every ??= Array.from({ length: parts.count }, (_, e) => e));
  const opened = new Set(open);
  let spent = 0;
  let undoTo: { at: number; share: number }[] | null = null;
  let marked = { spent, load: load.slice() };

  /** Money per hour of the whole part on a pool, capacity at its price. */
  const priced = (index: number, p: number): number => {
    let sum = parts.cost[index * pools + p] ?? 0;
    for (let c = 0; c < C; c++) sum += (prices[(block * pools + p) * C + c] ?? 0) * (parts.load[index * C + c] ?? 0);
    return sum;
  };
  const unservedOf = (index: number): number => {
    let left = 1;
    for (let p = 0; p < pools; p++) left -= placement[index * pools + p] ?? 0;
    return left < TINY ? 0 : left;
  };
  /** What a little more of a part unserved costs, and how much of it at this price; `fewer`: what a little less saves. */
  const step = (e: number, index: number, fewer: boolean): { price: number; width: number } => {
    const steps = stepsOf(parts.guaranteed[e] === 1);
    const unserved = unservedOf(index) * steps.length;
    const which = fewer ? Math.ceil(unserved - 1e-7) - 1 : Math.floor(unserved + 1e-7);
    const clipped = Math.min(steps.length - 1, Math.max(0, which));
    const width = (fewer ? unserved - clipped : clipped + 1 - unserved) / steps.length;
    return { price: (parts.short[index] ?? 0) * (steps[clipped] ?? 1), width: Math.max(0, width) };
  };
  const move = (index: number, from: number, to: number, share: number): void => {
    for (const [p, sign] of [
      [from, -1],
      [to, 1],
    ] as const) {
      if (p < 0) continue;
      const at = index * pools + p;
      const before = placement[at] ?? 0;
      undoTo?.push({ at, share: before });
      const after = before + sign * share;
      placement[at] = after < 1e-12 ? 0 : after;
      spent += sign * share * (parts.cost[at] ?? 0);
      for (let c = 0; c < C; c++) {
        const amount = sign * share * (parts.load[index * C + c] ?? 0);
        load[p * C + c] = (load[p * C + c] ?? 0) + amount;
        room[p * C + c] = (room[p * C + c] ?? 0) - amount;
      }
    }
  };
  /** The most of a part that may go from one pool to another: room there, its bound on spot, its budget. */
  const most = (e: number, index: number, from: number, to: number, roomy: boolean): number => {
    if (parts.allowed[e * pools + to] === 0) return 0;
    let share = from < 0 ? unservedOf(index) : (placement[index * pools + from] ?? 0);
    if (roomy) {
      for (let c = 0; c < C; c++) {
        const amount = parts.load[index * C + c] ?? 0;
        if (amount > 0) share = Math.min(share, (room[to * C + c] ?? 0) / amount);
      }
      if (share <= TINY) return 0;
    }
    if (spot[to] === 1 && (from < 0 || spot[from] === 0)) {
      let onSpot = 0;
      for (let p = 0; p < pools; p++) if (spot[p] === 1) onSpot += placement[index * pools + p] ?? 0;
      share = Math.min(share, (parts.spotShare[e] ?? 1) - onSpot);
    }
    const budget = parts.budget[index] ?? Number.POSITIVE_INFINITY;
    if (!Number.isFinite(budget)) return share;
    const charge = (p: number): number => (p < 0 ? 0 : chargeOf(fleet, parts, e, block, p));
    const more = charge(to) - charge(from);
    if (more <= 0) return share;
    let left = budget;
    for (let p = 0; p < pools; p++) left -= (placement[index * pools + p] ?? 0) * charge(p);
    return Math.min(share, left / more);
  };
  const setRoom = (nodes: ArrayLike<number>): void => {
    for (let p = 0; p < pools; p++) {
      for (let c = 0; c < C; c++) {
        const each = node[p * C + c] ?? 0;
        room[p * C + c] = each * Math.max(0, (nodes[p] ?? 0) - (warm[p] ?? 0)) - (load[p * C + c] ?? 0);
      }
    }
  };
  /** The component that a pool lacks most of, in its own nodes; −1 where it lacks none. */
  const tightest = (p: number): number => {
    let which = -1;
    let worst = TINY;
    for (let c = 0; c < C; c++) {
      const each = node[p * C + c] ?? 0;
      const lacks = each > 0 ? -(room[p * C + c] ?? 0) / each : 0;
      if (lacks > worst) [worst, which] = [lacks, c];
    }
    return which;
  };

  /** The cheapest first, each as dear as it is when its turn comes: places fill up, and what is short longer costs more. */
  function relieve(p: number, list: readonly number[], distance: number): void {
    const c = tightest(p);
    if (c < 0) return;
    const queue = createQueue();
    const ask = (e: number, index: number): void => {
      const { price } = elsewhere(e, index, p);
      if (price > distance * (parts.value[index] ?? 0)) return;
      if (Number.isFinite(price)) queue.add(price / (parts.load[index * C + c] ?? 0), e);
    };
    for (const e of list) {
      const index = e * blocks + block;
      if ((placement[index * pools + p] ?? 0) > 0 && (parts.load[index * C + c] ?? 0) > 0) ask(e, index);
    }
    for (let next = queue.take(); next !== null; next = queue.take()) {
      const lacks = -(room[p * C + c] ?? 0);
      if (lacks <= TINY * (node[p * C + c] ?? 0)) break;
      const index = next.item * blocks + block;
      const amount = parts.load[index * C + c] ?? 0;
      const { to, price, share } = elsewhere(next.item, index, p);
      if (price / amount <= next.price + 1e-9 * Math.abs(next.price)) {
        const going = Math.min(share, (lacks / amount) * (1 + 1e-12));
        if (to < 0) {
          spent += going * step(next.item, index, false).price;
          if (!opened.has(next.item)) open.push(next.item);
          opened.add(next.item);
        }
        move(index, p, to, going);
      }
      if ((placement[index * pools + p] ?? 0) > 0) ask(next.item, index);
    }
  }
  /** Where a part on `from` would go, and what that costs, capacity at its price; −1: nowhere, unserved. */
  function elsewhere(e: number, index: number, from: number): { to: number; price: number; share: number } {
    const here = priced(index, from);
    let best = { to: -2, price: Number.POSITIVE_INFINITY, share: 0 };
    for (let p = 0; p < pools; p++) {
      if (p === from) continue;
      const share = most(e, index, from, p, true);
      if (share <= TINY) continue;
      const price = priced(index, p) - here;
      if (price < best.price) best = { to: p, price, share };
    }
    const unserved = step(e, index, false);
    if (unserved.width > TINY && unserved.price - here < best.price) {
      const share = Math.min(placement[index * pools + from] ?? 0, unserved.width);
      best = { to: -1, price: unserved.price - here, share };
    }
    return best;
  }
  function serve(roomy: boolean): void {
    for (const e of open) {
      const index = e * blocks + block;
      const steps = stepsOf(parts.guaranteed[e] === 1).length;
      for (let turn = 0; turn < pools + steps && unservedOf(index) > TINY; turn++) {
        const { price, width } = step(e, index, true);
        let to = -1;
        let least = price * (1 - 1e-9);
        let share = 0;
        for (let p = 0; p < pools; p++) {
          if (parts.allowed[e * pools + p] === 0) continue;
          const cost = priced(index, p);
          if (cost >= least) continue;
          const can = most(e, index, -1, p, roomy);
          if (can > TINY) [to, least, share] = [p, cost, can];
        }
        if (to < 0) break;
        const coming = Math.min(share, width);
        move(index, -1, to, coming);
        spent -= coming * price;
      }
    }
  }

  return {
    block,
    load,
    spent: () => spent,
    serve: () => serve(false),
    fit(nodes) {
      setRoom(nodes);
      // Nothing goes where there is no room, so that each pool is looked at once.
      for (let p = 0; p < pools; p++) {
        for (const [level, distance] of NEAR.entries()) {
          for (let c = 0; c < C && tightest(p) >= 0; c++) relieve(p, near[p]?.[level] ?? [], distance);
        }
        for (let c = 0; c < C && tightest(p) >= 0; c++) relieve(p, all(), Number.POSITIVE_INFINITY);
      }
      serve(true);
    },
    draw(nodes) {
      setRoom(nodes);
      for (let p = 0; p < pools; p++) {
        let scarce = -1;
        for (let c = 0; c < C; c++) {
          if ((prices[(block * pools + p) * C + c] ?? 0) > 0 && (room[p * C + c] ?? 0) > TINY) scarce = c;
        }
        if (scarce < 0) continue;
        const paidFor = (index: number): number => {
          let sum = 0;
          for (let c = 0; c < C; c++)
            sum += (prices[(block * pools + p) * C + c] ?? 0) * (parts.load[index * C + c] ?? 0);
          return sum;
        };
        const found: { index: number; e: number; from: number; price: number }[] = [];
        for (const [from, own] of near.entries()) {
          if (from === p) continue;
          for (const e of own[0]) {
            const index = e * blocks + block;
            const amount = parts.load[index * C + scarce] ?? 0;
            if (amount <= 0 || parts.allowed[e * pools + p] === 0) continue;
            if ((placement[index * pools + from] ?? 0) <= 0) continue;
            const price = priced(index, p) - priced(index, from);
            if (price < 0.9 * paidFor(index)) found.push({ index, e, from, price: price / amount });
          }
        }
        found.sort((a, b) => a.price - b.price || a.e - b.e || a.from - b.from);
        for (const { index, e, from } of found) {
          if ((room[p * C + scarce] ?? 0) <= TINY) break;
          const share = most(e, index, from, p, true);
          if (share > TINY) move(index, from, p, share);
        }
      }
    },
    mark() {
      undoTo = [];
      marked = { spent, load: load.slice() };
    },
    undo() {
      for (const { at, share } of (undoTo ?? []).reverse()) placement[at] = share;
      undoTo = [];
      spent = marked.spent;
      load.set(marked.load);
    },
  };
}

/** Warm nodes of a pool that stay free: all of them, or none where its capacity is worth more than they are. */
export function keptWarm(fleet: Fleet, block: number, pool: number, prices: Prices): number {
  const C = fleet.components.length;
  let worth = 0;
  for (let c = 0; c < C; c++) {
    worth += (prices[(block * fleet.pools + pool) * C + c] ?? 0) * (fleet.node[pool * C + c] ?? 0);
  }
  return worth < (fleet.warmPrice[pool] ?? 0) * (1 - 1e-6) ? (fleet.warm[pool] ?? 0) : 0;
}

interface Queue {
  add(price: number, item: number): void;
  /** The least, and of those the first item; null where it is empty. */
  take(): { price: number; item: number } | null;
}

/** A binary heap. */
function createQueue(): Queue {
  const heap: { price: number; item: number }[] = [];
  const before = (a: number, b: number): boolean => {
    const [one, other] = [heap[a], heap[b]];
    if (one === undefined || other === undefined) return false;
    return one.price < other.price || (one.price === other.price && one.item < other.item);
  };
  const swap = (a: number, b: number): void => {
    const [one, other] = [heap[a], heap[b]];
    if (one === undefined || other === undefined) return;
    heap[a] = other;
    heap[b] = one;
  };
  return {
    add(price, item) {
      heap.push({ price, item });
      for (let at = heap.length - 1; at > 0 && before(at, (at - 1) >> 1); at = (at - 1) >> 1) swap(at, (at - 1) >> 1);
    },
    take() {
      const first = heap[0];
      const last = heap.pop();
      if (first === undefined || last === undefined) return null;
      if (heap.length === 0) return first;
      heap[0] = last;
      for (let at = 0; ;) {
        let least = at;
        if (before(2 * at + 1, least)) least = 2 * at + 1;
        if (before(2 * at + 2, least)) least = 2 * at + 2;
        if (least === at) return first;
        swap(at, least);
        at = least;
      }
    },
  };
}
