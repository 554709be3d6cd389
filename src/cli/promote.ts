import { isHeadroomError } from '../domain/errors.js';
import { shortId } from '../models/artifact.js';
import type { ModelCard } from '../models/card.js';
import { objections } from '../models/consent.js';
import type { ModelLibrary } from '../models/library.js';
import { promote, type Succession } from '../models/reign.js';
import { actOf } from './act.js';
import { CommandFailure, EXIT, type Terminal } from './command.js';
import { describeFigures } from './model-words.js';
import { openLibrary, scopeOf } from './models.js';

export interface PromoteOptions {
  account?: string;
  json?: boolean;
  reason: string;
  evenIfWorse?: true;
}

/**
 * Makes a model the champion, after its figures were shown.
 * @throws CommandFailure where they speak against it and nobody said that it is wanted all the same.
 */
export async function promoteByHand(
  prefix: string,
  options: PromoteOptions,
  terminal: Terminal,
): Promise<{ state: Succession; line: string }> {
  const library = openLibrary(terminal.env);
  // It is loaded as a worker would: what cannot serve is refused here, not at the next cycle.
  const { artifact } = await library.load(await library.store.find(prefix));
  const { id, card } = artifact;
  const scope = await scopeOf(library, options.account);
  const before = await library.champions.read(scope, card.kind);
  const champion = before.champion === null ? null : await cardOf(library, before.champion.id);
  if (options.json !== true) for (const line of describeFigures(card.metrics)) terminal.out(line);
  const against = objections(id, card, before, champion);
  if (against.length > 0 && options.evenIfWorse !== true) {
    const words = `${card.kind} ${shortId(id)} is not promoted: ${against.join('; ')}`;
    throw new CommandFailure(EXIT.refused, `${words}; --even-if-worse does it all the same`);
  }
  for (const objection of against) terminal.err(`promoted all the same: ${objection}`);
  const act = await actOf(terminal, options.reason);
  const state = await library.champions.change(scope, card.kind, (latest) => promote(latest, id, act));
  return { state, line: `${card.kind} ${shortId(id)} is champion; the next cycles use it` };
}

/** Null where its file is gone or damaged. */
async function cardOf(library: ModelLibrary, id: string): Promise<ModelCard | null> {
  try {
    return (await library.store.get(id)).card;
  } catch (error) {
    if (!isHeadroomError(error)) throw error;
    return null;
  }
}
