import { createNeuralTrainer } from '../../forecast/neural/trainer.js';
import type { Trainer } from '../port.js';
import { boosterTrainer } from './booster.js';

/** What can be trained, in the order in which a run does: the cheapest first, so that something new serves soon. */
export const TRAINERS: readonly Trainer[] = [boosterTrainer, createNeuralTrainer('tcn'), createNeuralTrainer('gru')];

/** What is trained where nobody says: one of each family. The other network is for who wants to compare. */
export const USUAL_KINDS: readonly string[] = ['booster', 'neural-tcn'];
