import { userInfo } from 'node:os';
import { REAL_TIME, simulatedNow } from '../domain/time.js';
import type { Act } from '../models/reign.js';
import { homeFolder, readRuntimeFile } from '../temporal/home.js';
import type { Terminal } from './command.js';

/** What goes on record with a change of champions: who, when by the clock that Headroom runs on here, and why. */
export async function actOf({ env }: Terminal, reason: string): Promise<Act> {
  const scale = (await readRuntimeFile(homeFolder(env)))?.scale ?? REAL_TIME;
  const at = Math.round(simulatedNow(scale, Date.now()));
  return { at, by: env['HEADROOM_AUTHOR'] ?? userInfo().username, reason };
}
