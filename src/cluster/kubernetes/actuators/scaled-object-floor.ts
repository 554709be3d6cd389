import { workloadPlace } from '../../port.js';
import type { Actuator } from './actuator.js';
import { openFloorOf } from './floor.js';
import { scaledObjectOf } from './live-autoscaler.js';

/** `spec.minReplicaCount` of the KEDA ScaledObject that scales the workload. KEDA carries it over to the HPA it makes. */
export const scaledObjectFloor: Actuator<'floor'> = {
  field: 'floor',
  async open(field, place, context) {
    const at = workloadPlace(place);
    const found = await scaledObjectOf(context.api, at, context.signal);
    if (found === null) {
      return { kind: 'missing', detail: `no ScaledObject targets ${at.kind} ${at.namespace}/${at.name}` };
    }
    return openFloorOf(found, 'minReplicaCount', field, at, context, problemOf(found, field.value));
  },
};

/** What KEDA's webhook would say, where it is installed; its schema alone takes anything. */
function problemOf(
  found: { name: string; ceiling: number; idle: number | null; paused: boolean },
  value: number,
): string | null {
  const { name, ceiling, idle, paused } = found;
  if (!Number.isInteger(value) || value < 0) return `${value} is not a whole number from 0 up`;
  if (value > ceiling) return `${value} is above the maxReplicaCount ${ceiling} of ScaledObject ${name}`;
  if (idle !== null && idle >= value)
    return `${value} is not above the idleReplicaCount ${idle} of ScaledObject ${name}`;
  if (paused) return `ScaledObject ${name} is paused by annotation: KEDA holds its replicas, whatever the floor`;
  return null;
}
