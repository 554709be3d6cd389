import type { z } from 'zod';
import { fleetFileSchema, type FleetPolicy } from './fleet.js';
import { fleetProblems } from './fleet-rules.js';
import { createFileReader, type FileProblem } from './yaml-file.js';

const reader = createFileReader<FleetPolicy>({
  name: 'fleet file',
  schema: fleetFileSchema,
  contradictions: fleetProblems,
  described: 'docs/fleet.schema.json',
});

/**
 * @returns the policy, with every default filled in.
 * @throws HeadroomError `invalid-input` that lists all problems as `file:line:column: path: problem`.
 */
export const readFleetFile = (text: string, file: string): FleetPolicy => reader.read(text, file);

/** The same without the exception, for editors and tests. */
export const checkFleetFile = (text: string): { value: FleetPolicy } | { problems: FileProblem[] } =>
  reader.check(text);

/** The JSON Schema of the fleet file, as editors take it. Checked into docs/ and kept current by a test. */
export const fleetJsonSchema = (): z.core.JSONSchema.BaseSchema => reader.jsonSchema();
