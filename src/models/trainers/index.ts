import type { Trainer } from '../port.js';
import { boosterTrainer } from './booster.js';

/** What can be trained, in the order in which a run does: the cheapest first, so that something new serves soon. */
export const TRAINERS: readonly Trainer[] = [boosterTrainer];
