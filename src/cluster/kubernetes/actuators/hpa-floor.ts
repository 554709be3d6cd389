import { workloadPlace } from '../../port.js';
import { readMark } from '../marks.js';
import { autoscalerOf, floorOf, floorOwner, nameOf } from '../state.js';
import type { Actuator } from './actuator.js';

/** `spec.minReplicas` of the HPA that scales the workload. */
export const hpaFloor: Actuator<'floor'> = {
  field: 'floor',
  async open(field, place, { api, writeAs, signal }) {
    const at = workloadPlace(place);
    const autoscaler = autoscalerOf(await api.listAutoscalers(at.namespace, signal), at);
    if (autoscaler === null) {
      return {
        kind: 'missing',
        detail: `no HPA targets ${at.kind} ${at.namespace}/${at.name}: there is no floor to raise`,
      };
    }
    const { annotations, resourceVersion } = autoscaler.metadata ?? {};
    const owner = floorOwner(autoscaler);
    const name = nameOf(autoscaler);
    const hpa = { namespace: at.namespace, name };
    return {
      kind: 'open',
      now: { value: floorOf(autoscaler), owner, reportedOwner: owner, mark: readMark(annotations, field) },
      stored: field.value,
      refusal: null,
      write: (mark) => {
        const intent = {
          apiVersion: 'autoscaling/v2',
          kind: 'HorizontalPodAutoscaler',
          metadata: { name, namespace: at.namespace, resourceVersion, annotations: mark },
          spec: { minReplicas: field.value },
        };
        // Given back, the field shall be the old owner's alone: an update in its name takes it from Headroom's intent,
        // whereas dropping it from the intent would reset it to the API's default first.
        return writeAs.ours
          ? api.applyAutoscaler(hpa, intent, writeAs.manager, signal)
          : api.patchAutoscaler(hpa, intent, writeAs.manager, signal);
      },
    };
  },
};
