import { writeFileSync } from 'node:fs';
import { accountJsonSchema } from '../domain/account-file.js';

// `npm run schema`: writes the schema that editors complete account files with.
writeFileSync('docs/account.schema.json', `${JSON.stringify(accountJsonSchema(), null, 2)}\n`);
