import { createNeuralTrainer } from '../../forecast/neural/trainer.js';
import type { Trainer } from '../port.js';
import { boosterTrainer } from './booster.js';
import { forestTrainer } from './forest.js';

/** What can be trained, in the order in which a run does: the cheapest first, so that something new serves soon. */
export const TRAINERS: readonly Trainer[] = [
  boosterTrainer,
  forestTrainer,
  createNeuralTrainer('tcn'),
  createNeuralTrainer('gru'),
];

/** What is trained where nobody says: one of each family. The forest and the other network are for who wants to compare. */
export const USUAL_KINDS: readonly string[] = ['booster', 'neural-tcn'];
