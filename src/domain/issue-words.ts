import { z } from 'zod';
import { nearest } from './nearest.js';
import { someOf } from './some-of.js';

/*
 * What a schema finds wrong, in words for who wrote the file: what was given, what is allowed there, and which name was probably
 * meant. A schema library's own words name types and patterns, and not what stands in the file.
 */

/** One thing that is wrong with what was read. */
export interface Explained {
  path: PropertyKey[];
  /** A field of what is at the path that should not be there. */
  key?: string;
  problem: string;
}

/** Explains every issue of a schema about what was read. */
export type Explain = (issues: readonly z.core.$ZodIssue[], given: unknown) => Explained[];

export function createExplain(schema: z.ZodType): Explain {
  let cache: JsonSchema | null = null;
  const root = (): JsonSchema => {
    cache ??= z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
    return cache;
  };
  return (issues, given) => issues.flatMap((issue) => explained(issue, [], given, root));
}

/** `workloads[0].replicas.min` */
export const pathText = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );

/** Everything that is wrong, on one line. */
export const oneLine = (explained: readonly Explained[], whole: string): string =>
  explained
    .map(({ path, key, problem }) => `${pathText(key === undefined ? path : [...path, key]) || whole}: ${problem}`)
    .join('; ');

/** Names listed of what is allowed. */
const MOST_LISTED = 16;
/** Characters shown of what was given. */
const MOST_SHOWN = 60;

function explained(
  issue: z.core.$ZodIssue,
  before: readonly PropertyKey[],
  given: unknown,
  root: () => JsonSchema,
): Explained[] {
  const path = [...before, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(root(), path, given);
    return issue.keys.map((key) => ({
      path,
      key,
      problem: `unknown field "${key}"${meant(key, known, 'known here')}`,
    }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = issue.errors.find((errors) => errors.some((one) => one.path.length > 0 || !isOfType(one)));
    if (branch !== undefined) return branch.flatMap((one) => explained(one, path, given, root));
  }
  return [{ path, problem: problemOf(issue, valueAt(given, path)) }];
}

const isOfType = (issue: z.core.$ZodIssue): boolean => issue.code === 'invalid_type';

/** What is wrong with a value that was given; `undefined` where there is none. */
export function problemOf(issue: z.core.$ZodIssue, given: unknown): string {
  const shown = shownOf(given);
  switch (issue.code) {
    case 'invalid_type':
      return typeProblem([issue.expected], given);
    case 'invalid_union': {
      const options = 'options' in issue ? (issue.options ?? []) : [];
      if (options.length > 0) return choiceProblem(options, valueUnder(given, issue));
      const expected = issue.errors.flatMap((errors) => errors.flatMap((one) => (isType(one) ? [one.expected] : [])));
      return expected.length === 0 ? `${shown} is not allowed here` : typeProblem([...new Set(expected)], given);
    }
    case 'invalid_value':
      return choiceProblem(issue.values, given);
    case 'too_small':
      return rangeProblem(issue, given, { limit: issue.minimum, small: true });
    case 'too_big':
      return rangeProblem(issue, given, { limit: issue.maximum, small: false });
    case 'invalid_format':
      if (!issue.message.startsWith('Invalid ')) return said(issue.message, given);
      if (issue.format === 'url') return `${shown} is not a URL of this kind; write for example http://host:9090`;
      return `${shown} is not of the form ${issue.pattern ?? issue.format}`;
    case 'invalid_key': {
      const [key] = issue.issues;
      const name = issue.path.at(-1);
      return key === undefined ? `"${String(name)}" is no name for this` : problemOf(key, String(name));
    }
    case 'not_multiple_of':
      return `${shown} is not a multiple of ${issue.divisor}`;
    default:
      return said(issue.message, given);
  }
}

const isType = (issue: z.core.$ZodIssue): issue is z.core.$ZodIssueInvalidType => issue.code === 'invalid_type';

/** Of a union that a field of the value decides, the issue is of that field, and its path may end above or at it. */
const valueUnder = (given: unknown, issue: { discriminator?: string | undefined }): unknown =>
  issue.discriminator !== undefined && isRecord(given)
    ? given[issue.discriminator]
    : isRecord(given)
      ? undefined
      : given;

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of fields (name: value)',
  record: 'a group of fields (name: value)',
};

function typeProblem(expected: readonly string[], given: unknown): string {
  const wanted = expected.map((one) => TYPES[one] ?? one).join(' or ');
  if (given === undefined) return `is missing; it is ${wanted}`;
  if (given === null) return `is empty; it is ${wanted}`;
  if (expected.length === 1 && expected[0] === 'string' && (typeof given === 'number' || typeof given === 'boolean')) {
    return `${shownOf(given)} is not text; write it in quotes: "${String(given)}"`;
  }
  if (expected.length === 1 && expected[0] === 'array' && !isRecord(given)) {
    return `${shownOf(given)} is not a list; write [${String(given)}]`;
  }
  if (typeof given === 'number' && !Number.isFinite(given)) return `${String(given)} is no finite number`;
  return `${shownOf(given)} is not ${wanted}`;
}

function choiceProblem(values: readonly unknown[], given: unknown): string {
  const known = values.map(String);
  const [first = ''] = known;
  const allowed = known.length === 1 ? first : `one of ${someOf(known, MOST_LISTED)}`;
  if (given === undefined) return `is missing; it is ${allowed}`;
  if (given === null) return `is empty; it is ${allowed}`;
  if (known.length === 1) return `${shownOf(given)} is not ${first}`;
  const near = typeof given === 'string' ? nearest(given, known) : null;
  return `${shownOf(given)} is none of ${someOf(known, MOST_LISTED)}${near === null ? '' : `; did you mean "${near}"?`}`;
}

interface Range {
  origin: string;
  inclusive?: boolean | undefined;
  exact?: boolean | undefined;
}

function rangeProblem(
  { origin, inclusive, exact }: Range,
  given: unknown,
  { limit, small }: { limit: number | bigint; small: boolean },
): string {
  const unit = origin === 'string' ? 'characters' : origin === 'array' || origin === 'set' ? 'entries' : null;
  const most = String(limit);
  if (unit === null) {
    const bound =
      inclusive === false ? (small ? `above ${most}` : `below ${most}`) : `${most} or ${small ? 'more' : 'less'}`;
    return `${shownOf(given)} is too ${small ? 'small' : 'large'}; it has to be ${bound}`;
  }
  const size = typeof given === 'string' || Array.isArray(given) ? given.length : null;
  const needs = `${exact === true ? 'exactly' : small ? 'at least' : 'at most'} ${most} ${most === '1' ? unit.replace(/ies$/, 'y').replace(/s$/, '') : unit}`;
  return size === 0 ? `is empty; it needs ${needs}` : `has ${size ?? 'too many'} ${unit}; it may have ${needs}`;
}

/** A schema's own words, with what they are about where they do not say it. */
function said(message: string, given: unknown): string {
  if (given === undefined || given === null || typeof given === 'object') return message;
  if (message.includes(String(given))) return message;
  return /^(is|must|has|needs|may) /.test(message) ? `${shownOf(given)} ${message}` : `${shownOf(given)}: ${message}`;
}

/** `; did you mean "x"?`, or what there is. */
function meant(name: string, known: readonly string[], what: string): string {
  const near = nearest(name, known);
  if (near !== null) return `; did you mean "${near}"?`;
  return known.length === 0 ? '; nothing may be named here' : `; ${what}: ${someOf(known, MOST_LISTED)}`;
}

function shownOf(given: unknown): string {
  if (Array.isArray(given)) return 'a list';
  if (isRecord(given)) return 'a group of fields';
  const text = typeof given === 'string' ? JSON.stringify(given) : String(given);
  return text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN)}…`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given;
  for (const part of path) {
    if (Array.isArray(value)) value = (value as unknown[])[Number(part)];
    else if (isRecord(value)) value = value[String(part)];
    else return undefined;
  }
  return value;
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The fields that the schema knows at a path, of the alternatives that what was given can be. */
function knownKeys(root: JsonSchema, path: readonly PropertyKey[], given: unknown): string[] {
  let nodes = alternatives(root, root, given);
  let value = given;
  for (const part of path) {
    value = valueAt(value, [part]);
    nodes = nodes.flatMap((node) => {
      const next =
        typeof part === 'number'
          ? asSchema(node.items)
          : (asSchema(node.properties?.[String(part)]) ?? asSchema(node.additionalProperties));
      return next === undefined ? [] : alternatives(root, next, value);
    });
  }
  const keys = nodes.flatMap((node) => [
    ...Object.keys(node.properties ?? {}),
    ...(asSchema(node.propertyNames)?.enum ?? []).map(String),
  ]);
  return [...new Set(keys)];
}

/** The schema itself, or each that a union offers: those alone whose fixed fields are as they were given, where any are. */
function alternatives(root: JsonSchema, node: JsonSchema, given: unknown): JsonSchema[] {
  const own = resolve(root, node);
  const offered = [...(own.anyOf ?? []), ...(own.oneOf ?? []), ...(own.allOf ?? [])].flatMap((one) => {
    const schema = asSchema(one);
    return schema === undefined ? [] : alternatives(root, schema, given);
  });
  const fitting = offered.filter((one) =>
    Object.entries(one.properties ?? {}).some(([key, value]) => {
      const fixed = asSchema(value)?.const;
      return fixed !== undefined && isRecord(given) && given[key] === fixed;
    }),
  );
  return [own, ...(fitting.length > 0 ? fitting : offered)];
}

const asSchema = (value: unknown): JsonSchema | undefined => (isRecord(value) ? (value as JsonSchema) : undefined);

function resolve(root: JsonSchema, node: JsonSchema): JsonSchema {
  const reference = node.$ref;
  if (reference === undefined) return node;
  return asSchema(root.$defs?.[reference.replace('#/$defs/', '')]) ?? node;
}
