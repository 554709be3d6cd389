/** The models that an account file may name; the registry of `forecast/models` has each of them. */
export const MODEL_NAMES = [
  'persistence',
  'seasonal-naive-day',
  'seasonal-naive-week',
  'mstl-ets',
  'recent-mean',
  'profile-regression',
  'arima',
  'hour-of-week',
  'prophet',
] as const;

/** Kinds of models that are trained on many series; an account file may name those that are to join its forecasts. */
export const TRAINED_NAMES = ['booster', 'random-forest', 'neural-tcn', 'neural-gru'] as const;
export type TrainedName = (typeof TRAINED_NAMES)[number];

export const isTrainedName = (name: string): name is TrainedName => TRAINED_NAMES.some((one) => one === name);
