import { workloadPlace } from '../../port.js';
import { readMark } from '../marks.js';
import { autoscalerOf, nameOf, replicasOf, replicasOwner } from '../state.js';
import type { Actuator } from './actuator.js';

/** `spec.replicas` of a Deployment or StatefulSet, where no autoscaler scales it. */
export const replicas: Actuator<'replicas'> = {
  field: 'replicas',
  async open(field, place, { api, writeAs, signal }) {
    const at = workloadPlace(place);
    const [object, all] = await Promise.all([api.readWorkload(at, signal), api.listAutoscalers(at.namespace, signal)]);
    const autoscaler = autoscalerOf(all, at);
    const { annotations, resourceVersion } = object.metadata ?? {};
    const owner = replicasOwner(object, autoscaler);
    return {
      kind: 'open',
      now: { value: replicasOf(object), owner, reportedOwner: owner, mark: readMark(annotations, field) },
      stored: field.value,
      refusal:
        autoscaler === null
          ? null
          : `HPA ${nameOf(autoscaler)} scales it and would write over the number; set ownership to "floor", or remove the HPA`,
      write: (mark) =>
        api.patchWorkload(
          at,
          { metadata: { resourceVersion, annotations: mark }, spec: { replicas: field.value } },
          writeAs.manager,
          signal,
        ),
    };
  },
};
