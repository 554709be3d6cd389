export { account } from './account.js';
export { change } from './change.js';
export { federate } from './federate.js';
export { fleet } from './fleet.js';
export { retrain } from './retrain.js';
export { clusterMigration, clusterMigrationSurvey } from './cluster-migration.js';
export { migration } from './migration.js';
export { migrationSurvey, prefetch } from './prefetch.js';
