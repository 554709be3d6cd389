import { CommandFailure, EXIT } from './command.js';
import { numberOf } from './session.js';

/** A port from the command line; 0 takes a free one. */
export function portOf(text: string, what: string): number {
  const port = numberOf(text, what);
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port;
  throw new CommandFailure(EXIT.usage, `${what} ${text}: a port is a whole number from 0 to 65535`);
}
