import type { z } from 'zod';
import { accountFileSchema, type AccountPolicy } from './account.js';
import { withStrategy } from './strategies.js';
import { policyProblems } from './policy-rules.js';
import { fileMistakes } from './file-mistakes.js';
import { placementProblems } from './placement-problems.js';
import { createFileReader, type FileProblem } from './yaml-file.js';

export type { FileProblem };

const reader = createFileReader<AccountPolicy>({
  name: 'account file',
  schema: accountFileSchema,
  contradictions: (policy) => [...policyProblems(policy), ...placementProblems(policy), ...fileMistakes(policy)],
  filled: withStrategy,
  described: 'docs/account.schema.json',
});

/**
 * @returns the policy, with every default filled in.
 * @throws HeadroomError `invalid-input` that lists all problems as `file:line:column: path: problem`.
 */
export const readAccountFile = (text: string, file: string): AccountPolicy => reader.read(text, file);

/** The same without the exception, for editors and tests. */
export function checkAccountFile(text: string): { policy: AccountPolicy } | { problems: FileProblem[] } {
  const result = reader.check(text);
  return 'value' in result ? { policy: result.value } : result;
}

/** The JSON Schema of the account file, as editors take it. Checked into docs/ and kept current by a test. */
export const accountJsonSchema = (): z.core.JSONSchema.BaseSchema => reader.jsonSchema();
