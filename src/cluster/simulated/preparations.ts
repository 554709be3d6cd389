import type { EpochSeconds } from '../../domain/time.js';
import type { FieldPlace } from '../port.js';
import type { FieldTarget } from '../../domain/cluster.js';
import type { Field } from './model.js';

/*
 * The book of what workloads were prepared for: the time of need that each action was last done for, as an annotation of
 * the workload holds it on Kubernetes, and what was done, as Jobs and calls of hooks leave it there. Nothing runs here: a
 * record is all that a simulated cluster has of a Job.
 */

/** Something that was done before capacity of a workload was needed. */
export interface PreparationRecord {
  account: string;
  workload: string;
  action: string;
  /** The change that asked for it, and which of its writes. */
  key: string;
  /** When it was written, and the time of need that it was for. */
  at: EpochSeconds;
  needed: EpochSeconds;
  /** What it was told to fetch, the likeliest first. */
  dataSets: readonly string[];
}

/** Records kept of one workload. */
const MOST = 200;

export interface Preparations {
  /** The field behind an action; 0 where it was never done. */
  field(account: string, workload: string, action: string): Field;
  /** By action, the time of need that it was last done for. */
  of(account: string, workload: string): Record<string, EpochSeconds>;
  note(record: PreparationRecord): void;
  /** A change is taken back: what it had made goes, as its Job would. */
  undo(account: string, workload: string, action: string, keys: readonly string[]): void;
  /** Of an account, oldest first. */
  records(account: string): PreparationRecord[];
}

export function createPreparations(): Preparations {
  const fields = new Map<string, Map<string, Field>>();
  const book = new Map<string, PreparationRecord[]>();
  const keyOf = (account: string, workload: string): string => `${account}/${workload}`;
  return {
    field(account, workload, action) {
      const key = keyOf(account, workload);
      const own = fields.get(key) ?? new Map<string, Field>();
      fields.set(key, own);
      const found: Field = own.get(action) ?? { value: 0, owner: null, mark: null };
      own.set(action, found);
      return found;
    },
    of(account, workload) {
      const own = [...(fields.get(keyOf(account, workload)) ?? [])];
      return Object.fromEntries(own.flatMap(([action, { value }]) => (value > 0 ? [[action, value]] : [])));
    },
    note(record) {
      const key = keyOf(record.account, record.workload);
      book.set(key, [...(book.get(key) ?? []), record].slice(-MOST));
    },
    undo(account, workload, action, keys) {
      const key = keyOf(account, workload);
      const isUndone = (one: PreparationRecord): boolean => one.action === action && keys.includes(one.key);
      book.set(
        key,
        (book.get(key) ?? []).filter((one) => !isUndone(one)),
      );
    },
    records: (account) =>
      [...book.values()]
        .flat()
        .filter((one) => one.account === account)
        .sort((one, other) => one.at - other.at),
  };
}

/** Why a preparation cannot be done by what the account file says; null where it can. */
export function noAction(target: FieldTarget, place: FieldPlace | null): string | null {
  if (target.field !== 'prepared') return null;
  // Through the wire no place comes along: there the caller has looked.
  if (place === null) return null;
  const actions = 'actions' in place ? (place.actions ?? []) : [];
  return actions.some(({ action }) => action === target.action)
    ? null
    : `the account file has no action ${target.action}`;
}
