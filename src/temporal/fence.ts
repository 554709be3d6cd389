import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Fence } from '../../activities/dependencies.js';
import { FREEZE_MEMO, type Freeze } from '../domain/control.js';
import type { EpochSeconds } from '../domain/time.js';

/** The workflow that holds the freeze. */
const FLEET = 'fleet/main';

/**
 * Reads the freeze from the fleet workflow's memo: one look at the server, no worker needed. An answer is shared by all
 * accounts of this process for as long as each of them allows.
 */
export function createFence(client: Client, now: () => EpochSeconds): Fence {
  let last: { at: number; freeze: Freeze | null } | null = null;
  let asking: Promise<Freeze | null> | null = null;

  async function ask(): Promise<Freeze | null> {
    try {
      const described = await client.workflow.getHandle(FLEET).describe();
      if (described.status.name !== 'RUNNING') return null;
      return (described.memo?.[FREEZE_MEMO] as Freeze | null | undefined) ?? null;
    } catch (error) {
      // No fleet workflow was ever started: nobody has frozen anything.
      if (error instanceof WorkflowNotFoundError) return null;
      throw error;
    }
  }

  return {
    async read(maxAgeMs) {
      let freeze: Freeze | null;
      if (last !== null && maxAgeMs > 0 && Date.now() - last.at <= maxAgeMs) freeze = last.freeze;
      else if (maxAgeMs > 0 && asking !== null) freeze = await asking;
      else {
        asking = ask();
        try {
          freeze = await asking;
          last = { at: Date.now(), freeze };
        } finally {
          asking = null;
        }
      }
      return freeze !== null && freeze.until > now() ? freeze : null;
    },
  };
}
