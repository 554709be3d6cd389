export { account } from './account.js';
export { change } from './change.js';
export { fleet } from './fleet.js';
export { retrain } from './retrain.js';
