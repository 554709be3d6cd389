import { InvalidArgumentError, Option, type Command } from 'commander';
import pc from 'picocolors';
import { isHeadroomError } from '../domain/errors.js';
import { formatDuration } from '../domain/time.js';

/** Exit codes, the same for every command; `headroom --help` lists them. */
export const EXIT = {
  ok: 0,
  /** The command ran and its answer is no: a check failed, a goal was missed. */
  failed: 1,
  /** Bad usage or bad input: nothing was done. */
  usage: 2,
  notFound: 3,
  /** Understood and not allowed in this state; the message says why. */
  refused: 4,
  /** A server, file or process is out of reach; trying again may help. */
  unavailable: 5,
} as const;

/** Turns what a reader throws into commander's usage error, which names the option. */
export const argument =
  <T>(reader: (text: string) => T) =>
  (text: string): T => {
    try {
      return reader(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };

/** An option of a length of time: read into seconds, its default shown as a person writes it. */
export const durationOption = (flags: string, says: string, read: (text: string) => number, seconds: number): Option =>
  new Option(flags, says).argParser(read).default(seconds, formatDuration(seconds));

/** What a command may use of the outside: passed in, so that a test can look. */
export interface Terminal {
  /** Writes to standard output; results only, so that `--json` can be piped. */
  out(text: string): void;
  /** Writes to standard error: progress, hints, errors. */
  err(text: string): void;
  /** Colours; each function is the identity where the output is no terminal or NO_COLOR is set. */
  color: ReturnType<typeof pc.createColors>;
  interactive: boolean;
  env: NodeJS.ProcessEnv;
  cwd: string;
}

/** One file a command: adds it to the program. The action sets `process.exitCode` through {@link CommandFailure}. */
export type RegisterCommand = (program: Command, terminal: Terminal) => void;

/** Ends a command with a code and a line for the user, without a stack. */
export class CommandFailure extends Error {
  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}

export function createTerminal(): Terminal {
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? EXIT.ok);
    throw error;
  });
  const interactive = process.stdout.isTTY === true;
  return {
    out: (text) => process.stdout.write(text.endsWith('\n') ? text : `${text}\n`),
    err: (text) => process.stderr.write(text.endsWith('\n') ? text : `${text}\n`),
    color: pc.createColors(interactive && process.env['NO_COLOR'] === undefined),
    interactive,
    env: process.env,
    cwd: process.cwd(),
  };
}

/** The exit code that an error means. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandFailure) return error.exitCode;
  if (!isHeadroomError(error)) return EXIT.failed;
  switch (error.kind) {
    case 'invalid-input':
      return EXIT.usage;
    case 'not-found':
      return EXIT.notFound;
    case 'refused':
    case 'conflict':
      return EXIT.refused;
    case 'unavailable':
    case 'full':
      return EXIT.unavailable;
  }
}

/** An example for `--help`; every command has one. */
export const withExamples = (command: Command, ...lines: string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ headroom ${line}`).join('\n')}`);

/** Prints JSON for machines; one document, two-space indented. */
export const printJson = (terminal: Terminal, value: unknown): void => terminal.out(JSON.stringify(value, null, 2));
