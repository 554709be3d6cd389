import { HEADROOM } from '../../fence.js';
import { writeObject } from '../intent.js';
import { fieldOwner, type PathStep } from '../managed-fields.js';
import { readMark } from '../marks.js';
import type { LiveObject, ObjectRef } from '../objects.js';
import type { ActuatorContext, OpenField, TargetOf } from './actuator.js';

/* What the floors of HPAs and ScaledObjects have in common: whose they are, and that they are never below the user's. */

/** On the autoscaler: the floor that its user set, written with the first raise above it. */
export const USER_FLOOR = 'headroom.dev/user-floor';

/**
 * The floor that the user set: where somebody else owns it by now, it is what stands there; where Headroom does, what it
 * found when it took it. Null where nobody is known to have set one.
 */
export function userFloor(object: LiveObject, floor: number, path: readonly PathStep[]): number | null {
  const owner = fieldOwner(object.metadata.managedFields, path);
  if (owner !== HEADROOM) return floor;
  const noted = Number(object.metadata.annotations?.[USER_FLOOR]);
  return object.metadata.annotations?.[USER_FLOOR] !== undefined && Number.isInteger(noted) ? noted : null;
}

export function openFloorOf(
  live: { ref: ObjectRef; object: LiveObject; floor: number },
  /** The field of its spec that is the floor. */
  name: 'minReplicas' | 'minReplicaCount',
  field: TargetOf<'floor'>,
  { api, writeAs, signal }: ActuatorContext,
  refusal: string | null,
): OpenField {
  const { ref, object, floor } = live;
  const path = ['spec', name];
  const owner = fieldOwner(object.metadata.managedFields, path);
  const least = userFloor(object, floor, path);
  const below = least !== null && field.value < least && field.value < floor;
  return {
    kind: 'open',
    now: { value: floor, owner, reportedOwner: owner, mark: readMark(object.metadata.annotations, field) },
    stored: field.value,
    refusal: below
      ? `${field.value} is below ${least}, the floor that the user of ${ref.kind} ${ref.name} set; Headroom only adds to it`
      : refusal,
    write: (mark) => {
      const noted: Record<string, string> = least === null || !writeAs.ours ? {} : { [USER_FLOOR]: String(least) };
      return writeObject(
        api,
        {
          ref,
          object,
          fields: { spec: { [name]: field.value } },
          paths: [path],
          annotations: { ...mark, ...noted },
          writeAs,
        },
        signal,
      );
    },
  };
}
