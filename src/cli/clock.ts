import { simulatedNow, type EpochSeconds } from '../domain/time.js';
import { homeFolder, readRuntimeFile } from '../temporal/home.js';
import { clockOf } from '../temporal/rehearsal.js';

/**
 * The present as the loop of this home sees it: a simulated run and a rehearsal have a clock of their own, which their
 * data bear; else the wall's.
 */
export async function loopNow(env: NodeJS.ProcessEnv): Promise<EpochSeconds> {
  const home = homeFolder(env);
  const scale = (await readRuntimeFile(home))?.scale ?? (await clockOf(home, null));
  return simulatedNow(scale, Date.now());
}
