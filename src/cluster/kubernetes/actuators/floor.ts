import { writeObject } from '../intent.js';
import { fieldOwner } from '../managed-fields.js';
import { readMark } from '../marks.js';
import type { LiveObject, ObjectRef } from '../objects.js';
import type { WorkloadTarget } from '../../port.js';
import { USER_FLOOR, userFloor } from '../state.js';
import type { ActuatorContext, OpenField, TargetOf } from './actuator.js';
import { readLimits } from './limits.js';
import { readWorkload } from './live-workload.js';

/* What the floors of HPAs and ScaledObjects have in common: whose they are, and that they are never below the user's. */

export function openFloorOf(
  live: { ref: ObjectRef; object: LiveObject; floor: number },
  /** The field of its spec that is the floor. */
  name: 'minReplicas' | 'minReplicaCount',
  field: TargetOf<'floor'>,
  at: WorkloadTarget,
  { api, writeAs, signal }: ActuatorContext,
  refusal: string | null,
): OpenField {
  const { ref, object, floor } = live;
  const path = ['spec', name];
  const owner = fieldOwner(object.metadata.managedFields, path);
  const least = userFloor(object.metadata, floor, path);
  const below = least !== null && field.value < least && field.value < floor;
  return {
    kind: 'open',
    now: { value: floor, owner, reportedOwner: owner, mark: readMark(object.metadata.annotations, field) },
    stored: field.value,
    refusal: below
      ? `${field.value} is below ${least}, the floor that the user of ${ref.kind} ${ref.name} set; Headroom only adds to it`
      : refusal,
    limits: async () => {
      const workload = await readWorkload(api, at, signal);
      const limits = await readLimits(api, at, workload, signal);
      // More may run than the floor: what a raise adds to it has been admitted already.
      return field.value < floor || field.value > workload.spec.replicas ? limits.replicas(floor, field.value) : null;
    },
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
