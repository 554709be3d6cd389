import { workloadPlace } from '../../port.js';
import { writeObject } from '../intent.js';
import { fieldOwner } from '../managed-fields.js';
import { readMark } from '../marks.js';
import { HPA_CONTROLLER } from '../state.js';
import type { Actuator } from './actuator.js';
import { hpaOf, scaledObjectOf } from './live-autoscaler.js';
import { readLimits } from './limits.js';
import { readWorkload } from './live-workload.js';

const PATH = ['spec', 'replicas'];

/** `spec.replicas` of a Deployment or StatefulSet, where nothing else scales it. */
export const replicas: Actuator<'replicas'> = {
  field: 'replicas',
  async open(field, place, { api, writeAs, signal }) {
    const at = workloadPlace(place);
    const [workload, hpa, scaledObject] = await Promise.all([
      readWorkload(api, at, signal),
      hpaOf(api, at, signal),
      scaledObjectOf(api, at, signal),
    ]);
    const { ref, object, spec } = workload;
    const { annotations, managedFields } = object.metadata;
    const manager = fieldOwner(managedFields, PATH);
    const owner = manager === HPA_CONTROLLER && hpa !== null ? `hpa/${hpa.name}` : manager;
    const scaler =
      scaledObject !== null ? `ScaledObject ${scaledObject.name}` : hpa !== null ? `HPA ${hpa.name}` : null;
    return {
      kind: 'open',
      now: { value: spec.replicas, owner, reportedOwner: owner, mark: readMark(annotations, field) },
      stored: field.value,
      refusal:
        scaler === null
          ? null
          : `${scaler} scales it and would write over the number; set ownership to "floor", or remove the ${scaler.split(' ')[0] ?? ''}`,
      limits: async () => (await readLimits(api, at, workload, signal)).replicas(spec.replicas, field.value),
      write: (mark) =>
        writeObject(
          api,
          { ref, object, fields: { spec: { replicas: field.value } }, paths: [PATH], annotations: mark, writeAs },
          signal,
        ),
    };
  },
};
