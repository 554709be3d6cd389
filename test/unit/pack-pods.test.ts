import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodesFor, type Pods } from '../../src/allocate/pack-pods.js';
import { poolInUse } from '../../src/allocate/fleet-in-use.js';

/* Nodes beneath pods. What is counted too few here is taken away beneath somebody. */

const pods = (cpu: number, replicas: number, memory?: number): Pods => ({
  request: memory === undefined ? { cpu } : { cpu, memory },
  replicas,
});

describe('nodes that hold pods', () => {
  it.each<{ name: string; node: Parameters<typeof nodesFor>[0]; of: Pods[]; nodes: number }>([
    { name: 'none', node: { cpu: 4 }, of: [], nodes: 0 },
    { name: 'small ones fill nodes', node: { cpu: 4 }, of: [pods(0.1, 80)], nodes: 2 },
    { name: 'of 3 cores one fits a node of 4, whatever the sum', node: { cpu: 4 }, of: [pods(3, 4)], nodes: 4 },
    { name: 'small ones go beside large ones', node: { cpu: 4 }, of: [pods(3, 4), pods(0.25, 16)], nodes: 4 },
    { name: 'a third and two thirds share nodes', node: { cpu: 3 }, of: [pods(2, 3), pods(1, 3)], nodes: 3 },
    {
      name: 'what fits by cpu does not by memory',
      node: { cpu: 8, memory: 8 },
      of: [pods(1, 2, 6), pods(6, 2, 1)],
      nodes: 2,
    },
    { name: 'by the scarcer component', node: { cpu: 8, memory: 8 }, of: [pods(1, 3, 5)], nodes: 3 },
    { name: 'larger than any node', node: { cpu: 4 }, of: [pods(6, 2), pods(1, 1)], nodes: 5 },
    { name: 'parts of a pod are a pod', node: { cpu: 4 }, of: [pods(3, 1.5)], nodes: 2 },
    { name: 'exactly full', node: { cpu: 0.3 }, of: [pods(0.1, 30)], nodes: 10 },
    { name: 'a component that the node does not name', node: { cpu: 4 }, of: [pods(1, 4, 1e12)], nodes: 1 },
    { name: 'nothing asked for', node: { cpu: 4 }, of: [{ request: {}, replicas: 5 }], nodes: 0 },
  ])('$name', ({ node, of, nodes }) => {
    expect(nodesFor(node, of)).toBe(nodes);
  });

  it('are enough, and hardly more than the fewest, by brute force', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 8 }), (sizes) => {
        const found = nodesFor(
          { cpu: 10 },
          sizes.map((size) => pods(size, 1)),
        );
        const fewest = fewestOf(sizes);
        // Pods of a tenth count by their sum, so that there may be as few as that needs.
        expect(found).toBeGreaterThanOrEqual(fewest);
        expect(found).toBeLessThanOrEqual((11 / 9) * fewest + 1);
      }),
      { numRuns: 300 },
    );
  });

  it('a fleet does not take the node beneath a large pod of a neighbour', () => {
    const large = { account: 'a', running: new Map([['general', [pods(3, 3)]]]) };
    const other = { account: 'b', running: new Map([['general', [pods(2, 1)]]]) };
    // Together 11 cores: three nodes of 4 by their sum, and the last pod would have no place.
    expect(poolInUse({ name: 'general', node: { cpu: 4 } }, [large, other])).toEqual({
      ...{ nodes: 4, accounts: ['a', 'b'] },
    });
  });
});

/** The fewest bins of 10, by trying every bin for every size. */
function fewestOf(sizes: readonly number[]): number {
  let best = sizes.length;
  const place = (index: number, bins: number[]): void => {
    if (bins.length >= best) return;
    const size = sizes[index];
    if (size === undefined) {
      best = bins.length;
      return;
    }
    for (const [bin, used] of bins.entries()) {
      if (used + size > 10) continue;
      place(index + 1, bins.with(bin, used + size));
    }
    place(index + 1, [...bins, size]);
  };
  place(0, []);
  return best;
}
