import { setTimeout as delay } from 'node:timers/promises';

/** Lets one of two workers on the same machine stand still while the other is measured. */
export interface Gate {
  readonly open: boolean;
  set(open: boolean): void;
  /** Resolves at once where it is open. */
  pass(): Promise<void>;
}

/**
 * A closed gate stops a loop within an activity, where it waits as long as the activity's own time limit allows; the
 * workflow's code knows nothing of it and stays in the cache.
 */
export function createGate(): Gate {
  let open = false;
  let waiting: (() => void)[] = [];
  return {
    get open() {
      return open;
    },
    set(next) {
      open = next;
      if (!open) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    pass: () => (open ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

/** Waits until a condition holds, at most so many seconds. @throws Error with what was waited for. */
export async function until(what: string, seconds: number, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await delay(100);
  }
}
