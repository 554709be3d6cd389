import type { ModelCard } from '../../src/models/card.js';

/** A card as a fit would leave it. */
export const cardOf = (): Omit<ModelCard, 'weights'> => ({
  kind: 'profile',
  levels: [0.1, 0.5, 0.9],
  data: { from: 1_760_000_400, to: 1_760_864_400, step: 300, series: ['3f2a', '9c01'], hash: 'a'.repeat(64) },
  seed: 1,
  backend: 'js',
  code: { version: '0.1.0', build: 'b' },
  hyperParameters: { rounds: 10 },
  metrics: {
    rmse: 0.2,
    mae: 0.1,
    r2: 0.8,
    mase: 0.9,
    wql: 0.07,
    coverage: [{ level: 0.5, reached: 0.49 }],
    origins: 40,
  },
});
