export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  /** What to do, where it is not ok. */
  remedy?: string;
}

/** Runs one check; what it throws is its finding. Resolves with whether it is in order. */
export type Check = (name: string, remedy: string, work: () => Promise<string> | string) => Promise<boolean>;
