import type { Build } from '../build.js';

/** One kind of limit. A new one is a file here and a line in index.ts. */
export interface Constraint {
  /** The file's name; `constraint` of the groups that it adds. */
  name: string;
  /** Why there is such a limit, in words. */
  why: string;
  add(build: Build): void;
}
