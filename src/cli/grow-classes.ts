import { forestOf } from './classes.js';

// A step of `make setup`: dist/workload-classes.json, where it is not there or was grown by other sources.
await forestOf((line) => process.stderr.write(`${line}\n`));
