import type { FieldTarget } from '../../../domain/cluster.js';
import type { FieldNow } from '../../fence.js';
import type { FieldPlace } from '../../port.js';
import type { KubernetesApi } from '../api.js';

/*
 * An actuator reads one field of one object and prepares its write. It judges nothing: the adapter asks the fence
 * between the two, and the write itself holds only while the object is still the one that was read.
 */

export type FieldName = FieldTarget['field'];
export type TargetOf<F extends FieldName> = Extract<FieldTarget, { field: F }>;

/** What an actuator is given besides the field. */
export interface ActuatorContext {
  api: KubernetesApi;
  account: string;
  /** The way back is not held up by limits that the state before the change did not mind either. */
  purpose: 'apply' | 'restore';
  /** The manager in whose name it is written: Headroom, or on the way back the one who had the field before. */
  writeAs: { manager: string; ours: boolean };
  /** Data sets that are likely to be read, for an action that asked. */
  dataSets?: readonly string[];
  signal: AbortSignal;
}

export interface OpenField {
  kind: 'open';
  now: FieldNow;
  /** What the value will read as, once the API has rounded it. */
  stored: number;
  /** Why the value cannot be written whatever the fence says; null where it can. */
  refusal: string | null;
  /** Whether the account file lets this very field be taken from others; absent: by its `takeOwnership`. */
  consent?: { given: boolean; words: string };
  /** Looked at only where the fence lets the write go ahead: limits of the cluster that it would run into, in words. */
  limits?(): Promise<string | null>;
  /**
   * Writes value and mark at once (`writeObject`, ../intent.ts), on condition that the object is still the one that was
   * read.
   */
  write(mark: Record<string, string>): Promise<unknown>;
  /**
   * What has to follow the write; safe to repeat, and run again where a key is repeated after a crash.
   * @returns why it could not be done, in words, or null.
   */
  finish?(): Promise<string | null>;
}

/** `missing`: there is no such object; the next actuator of the field is asked, and the last one's words are answered. */
export type Opened = OpenField | { kind: 'missing'; detail: string };

/**
 * One way to write one kind of field.
 * `open` throws ApiRefusal where the API server says no, and HeadroomError `unavailable` where it is out of reach.
 */
export interface Actuator<F extends FieldName> {
  readonly field: F;
  open(target: TargetOf<F>, place: FieldPlace, context: ActuatorContext): Promise<Opened>;
}
