import { errorsOf, HeadroomError, type ErrorKind } from '../../domain/errors.js';

export const COMPONENT = 'telemetry/embedded';

/** An error of the embedded store. */
export const storeError = errorsOf(COMPONENT);

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** DuckDB refuses everything after such an error until the file is opened anew. */
export const isFatal = (cause: unknown): boolean =>
  /^FATAL|database has been invalidated|Reopen the database/i.test(messageOf(cause));

/** The commit is on disk although the call failed: only the tidying after it did not work. */
export const isDurableAnyway = (cause: unknown): boolean => /COMMIT succeeded and is durable/.test(messageOf(cause));

export const isInterrupt = (cause: unknown): boolean => /^INTERRUPT/i.test(messageOf(cause));

/** An id that is there already; as DuckDB or as {@link translate} says it. */
export const isDuplicate = (error: unknown): boolean =>
  /^Constraint Error: (Duplicate key|PRIMARY KEY)/i.test(
    messageOf(error instanceof HeadroomError && error.cause !== undefined ? error.cause : error),
  );

const CASES: readonly {
  pattern: RegExp;
  kind: ErrorKind;
  problem: (text: string, path: string) => string;
  remedy: string;
}[] = [
  {
    pattern: /No space left on device|Disk quota exceeded|File too large|max_temp_directory_size/i,
    kind: 'full',
    problem: (_, path) => `no space is left for ${path}`,
    remedy: 'free some space; what was written before is safe and nothing needs to be restarted',
  },
  {
    pattern: /Could not set lock on file|Conflicting lock/i,
    kind: 'unavailable',
    problem: (text, path) => {
      const owner = /held in (\S+) \(PID (\d+)\)/.exec(text);
      return `${path} is in use by ${owner === null ? 'another process' : `process ${owner[2]} (${owner[1]})`}`;
    },
    remedy: 'one process owns the file: go through that one, or stop it first',
  },
  {
    pattern:
      /not a valid DuckDB|Corrupt database|checksum|Could not read enough bytes|replaying WAL|Serialization Error/i,
    kind: 'invalid-input',
    problem: (text, path) => `${path} is damaged or no telemetry file (${text.split('\n')[0]?.slice(0, 160) ?? ''})`,
    remedy: 'move it aside, with the file ending in .wal beside it, and put a copy back or import the history anew',
  },
  {
    pattern: /newer version of DuckDB|storage version/i,
    kind: 'refused',
    problem: (_, path) => `${path} was written by a newer version`,
    remedy: 'use that version, or start with another file',
  },
  {
    pattern: /Out of Memory/i,
    kind: 'unavailable',
    problem: () => 'the memory limit of the store is reached',
    remedy: 'restart what owns the store with more of it, as HEADROOM_STORE_MEMORY=512MB in its environment',
  },
  {
    pattern: /Permission denied|Read-only file system|No such file or directory|Cannot open file/i,
    kind: 'unavailable',
    problem: (_, path) => `${path} cannot be opened for writing`,
    remedy: 'check that its folder exists and may be written to',
  },
];

/** Turns what DuckDB throws into an error that a person can act on. */
export function translate(cause: unknown, action: string, path: string): HeadroomError {
  if (cause instanceof HeadroomError) return cause;
  const text = messageOf(cause);
  for (const { pattern, kind, problem, remedy } of CASES) {
    if (pattern.test(text)) return storeError(kind, action, problem(text, path), remedy, cause);
  }
  return storeError(
    'unavailable',
    action,
    text.split('\n')[0] ?? text,
    'try again; if it stays, open the file anew',
    cause,
  );
}
