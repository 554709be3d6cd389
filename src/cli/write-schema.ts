import { writeFileSync } from 'node:fs';
import { accountJsonSchema } from '../domain/account-file.js';
import { fleetJsonSchema } from '../domain/fleet-file.js';

// `npm run schema`: writes the schemas that editors complete account and fleet files with.
writeFileSync('docs/account.schema.json', `${JSON.stringify(accountJsonSchema(), null, 2)}\n`);
writeFileSync('docs/fleet.schema.json', `${JSON.stringify(fleetJsonSchema(), null, 2)}\n`);
