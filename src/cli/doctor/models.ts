import { shortId } from '../../models/artifact.js';
import { openLibrary, servingOf } from '../models.js';
import type { Check } from './finding.js';

/** Whether the models that should serve can be loaded here. */
export async function checkModels(env: NodeJS.ProcessEnv, check: Check): Promise<void> {
  const remedy =
    'forecasts go on without what cannot be loaded, and workers try it again from time to time; ' +
    '`headroom models list` shows all, `headroom models rollback` goes back to the one before';
  await check('trained models', remedy, async () => {
    const library = openLibrary(env);
    const { sound, troubles } = await servingOf(library, null);
    if (troubles.length > 0) throw new Error(troubles.join('; '));
    if (sound.length === 0) return `none serves from ${library.folder}`;
    return sound.map(({ scope, kind, id }) => `${scope}/${kind} ${shortId(id)}`).join(', ');
  });
}
