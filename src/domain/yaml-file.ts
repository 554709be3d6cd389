import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type ParsedNode } from 'yaml';
import { z } from 'zod';
import { HeadroomError } from './errors.js';
import { createExplain, pathText } from './issue-words.js';

/*
 * Reads a file of an operator whole: every problem at once, each with its line, its column and, for a misspelt field, the
 * field that was probably meant.
 */

export interface FileProblem {
  line: number;
  column: number;
  /** `workloads[0].replicas.mim`. */
  path: string;
  problem: string;
}

/** What tells one kind of file from another. */
export interface FileKind<T> {
  /** As messages name it: `account file`. */
  name: string;
  schema: z.ZodType<T>;
  /** What is read instead of what was written: presets filled in. */
  filled?(written: unknown): unknown;
  /** What a schema cannot say: contradictions between fields. */
  contradictions(value: T): { path: (string | number)[]; problem: string }[];
  /** The JSON Schema that describes every field, by its path in the package. */
  described: string;
}

export interface FileReader<T> {
  /** @throws HeadroomError `invalid-input` that lists all problems as `file:line:column: path: problem`. */
  read(text: string, file: string): T;
  /** The same without the exception, for editors and tests. */
  check(text: string): { value: T } | { problems: FileProblem[] };
  /** The JSON Schema, as editors take it. */
  jsonSchema(): z.core.JSONSchema.BaseSchema;
}

export function createFileReader<T>(kind: FileKind<T>): FileReader<T> {
  let cache: z.core.JSONSchema.BaseSchema | null = null;
  const jsonSchema = (): z.core.JSONSchema.BaseSchema => {
    cache ??= z.toJSONSchema(kind.schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
    return cache;
  };
  const explain = createExplain(kind.schema);
  const check = (text: string): { value: T } | { problems: FileProblem[] } => {
    const counter = new LineCounter();
    const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
    const place = (offset: number) => {
      const { line, col } = counter.linePos(offset);
      return { line, column: col };
    };
    if (document.errors.length > 0) {
      return {
        problems: document.errors.map((error) => ({ ...place(error.pos[0]), path: '', problem: error.message })),
      };
    }
    const at = (path: readonly PropertyKey[], problem: string, key?: string): FileProblem => ({
      ...place(offsetOf(document, path, key)),
      path: pathText(key === undefined ? path : [...path, key]),
      problem,
    });
    const read: unknown = document.toJS() ?? {};
    const written = kind.filled?.(read) ?? read;
    const parsed = kind.schema.safeParse(written);
    if (!parsed.success) {
      const problems = explain(parsed.error.issues, written).map(({ path, problem, key }) => at(path, problem, key));
      return { problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
    }
    const contradictions = kind.contradictions(parsed.data);
    if (contradictions.length > 0) {
      return { problems: contradictions.map(({ path, problem }) => at(path, problem)) };
    }
    return { value: parsed.data };
  };
  return {
    jsonSchema,
    check,
    read(text, file) {
      const result = check(text);
      if ('value' in result) return result.value;
      const lines = result.problems.map(
        ({ line, column, path, problem }) => `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${problem}`,
      );
      throw new HeadroomError({
        kind: 'invalid-input',
        component: kind.name,
        action: `reading ${file}`,
        problem: `${lines.length} ${lines.length === 1 ? 'problem' : 'problems'}\n  ${lines.join('\n  ')}\n`,
        remedy: `correct the lines named above; ${kind.described} describes every field`,
      });
    },
  };
}

/** Where the value at a path stands; the nearest enclosing node where it is missing, the key itself where one is given. */
function offsetOf(document: Document.Parsed<ParsedNode>, path: readonly PropertyKey[], key?: string): number {
  for (let length = path.length; length >= 0; length--) {
    const part = path.slice(0, length).map((item) => (typeof item === 'symbol' ? String(item) : item));
    const node = length === 0 ? document.contents : (document.getIn(part, true) as ParsedNode | undefined);
    if (node === undefined || node === null || node.range === undefined || node.range === null) continue;
    if (key !== undefined && length === path.length && isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
      const range = pair !== undefined && isScalar(pair.key) ? pair.key.range : undefined;
      if (range !== undefined && range !== null) return range[0];
    }
    return node.range[0];
  }
  return 0;
}
