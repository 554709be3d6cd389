import { join } from 'node:path';
import { z } from 'zod';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { benchAccounts, histories } from './accounts.js';

/* Fills the store, and ends: the memory that an import takes is not the worker's. */

const { home, accounts } = z.object({ home: z.string(), accounts: z.int() }).parse(JSON.parse(process.argv[2] ?? ''));
const store = await createEmbeddedStore({ path: join(home, 'telemetry.duckdb') });
for (const history of histories(benchAccounts(accounts))) await store.writeUsage(history);
await store.close();
