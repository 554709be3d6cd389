import type { FieldTarget } from '../../../domain/cluster.js';
import { unreachable } from '../../../domain/errors.js';
import type { FieldPlace } from '../../port.js';
import type { Actuator, ActuatorContext, FieldName, Opened, TargetOf } from './actuator.js';
import { hpaFloor } from './hpa-floor.js';
import { hpaTarget } from './hpa-target.js';
import { machines } from './machines.js';
import { nodePoolLimit, nodePoolWeight } from './nodepool.js';
import { occurrence } from './occurrence.js';
import { placeholders } from './placeholders.js';
import { prepared } from './prepared.js';
import { replicas } from './replicas.js';
import { request } from './request.js';
import { scaledObjectFloor } from './scaled-object-floor.js';

/** By field, in the order in which they are asked: the first whose object is there writes. */
const ACTUATORS: { readonly [F in FieldName]: readonly Actuator<F>[] } = {
  replicas: [replicas],
  // An HPA that KEDA made is never written: the ScaledObject is asked first.
  floor: [scaledObjectFloor, hpaFloor],
  target: [hpaTarget],
  request: [request],
  // A node is nobody's to write: machines, warm capacity and a provisioner's limits are what sizes a pool.
  nodes: [machines],
  warm: [placeholders],
  limit: [nodePoolLimit],
  weight: [nodePoolWeight],
  start: [occurrence],
  prepared: [prepared],
};

/** Reads the field through the first actuator that finds its object. */
export function openField(target: FieldTarget, place: FieldPlace, context: ActuatorContext): Promise<Opened> {
  switch (target.field) {
    case 'replicas':
      return first(ACTUATORS.replicas, target, place, context);
    case 'floor':
      return first(ACTUATORS.floor, target, place, context);
    case 'target':
      return first(ACTUATORS.target, target, place, context);
    case 'request':
      return first(ACTUATORS.request, target, place, context);
    case 'nodes':
      return first(ACTUATORS.nodes, target, place, context);
    case 'warm':
      return first(ACTUATORS.warm, target, place, context);
    case 'limit':
      return first(ACTUATORS.limit, target, place, context);
    case 'weight':
      return first(ACTUATORS.weight, target, place, context);
    case 'start':
      return first(ACTUATORS.start, target, place, context);
    case 'prepared':
      return first(ACTUATORS.prepared, target, place, context);
    default:
      return unreachable(target);
  }
}

/** False where no actuator of this cluster writes such a field at all. */
export const canWrite = (field: FieldName): boolean => ACTUATORS[field].length > 0;

async function first<F extends FieldName>(
  actuators: readonly Actuator<F>[],
  target: TargetOf<F>,
  place: FieldPlace,
  context: ActuatorContext,
): Promise<Opened> {
  let opened: Opened = { kind: 'missing', detail: `nothing here writes ${target.field}` };
  for (const actuator of actuators) {
    opened = await actuator.open(target, place, context);
    if (opened.kind === 'open') return opened;
  }
  return opened;
}
