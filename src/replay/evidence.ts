import type { Evidence } from '../allocate/capacity.js';

/** Highest known bin and count of known bins of a sliding window, in O(1) a bin (a monotone queue). */
export function createEvidence(length: number): { push(value: number): void; now(): Evidence } {
  const recent = new Float64Array(length).fill(Number.NaN);
  /** Bins that may yet be the peak, falling; `head` is the peak's place. */
  let peaks: { index: number; value: number }[] = [];
  let head = 0;
  let bins = 0;
  let index = -1;
  return {
    push(value) {
      index += 1;
      const slot = index % length;
      if (!Number.isNaN(recent[slot])) bins -= 1;
      recent[slot] = value;
      if ((peaks[head]?.index ?? index) <= index - length) head += 1;
      if (!Number.isNaN(value)) {
        bins += 1;
        while (peaks.length > head && (peaks.at(-1)?.value ?? 0) <= value) peaks.pop();
        peaks.push({ index, value });
      }
      if (head > length) {
        peaks = peaks.slice(head);
        head = 0;
      }
    },
    now: () => ({ peak: peaks[head]?.value ?? Number.NaN, bins }),
  };
}
