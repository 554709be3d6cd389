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
