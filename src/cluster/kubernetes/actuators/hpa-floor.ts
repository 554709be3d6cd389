import { workloadPlace } from '../../port.js';
import type { Actuator } from './actuator.js';
import { openFloorOf } from './floor.js';
import { hpaOf } from './live-autoscaler.js';

/** `spec.minReplicas` of the HPA that scales the workload; never of one that KEDA made, which KEDA writes again. */
export const hpaFloor: Actuator<'floor'> = {
  field: 'floor',
  async open(field, place, context) {
    const at = workloadPlace(place);
    const hpa = await hpaOf(context.api, at, context.signal);
    if (hpa === null) {
      return {
        kind: 'missing',
        detail: `no HPA targets ${at.kind} ${at.namespace}/${at.name}: there is no floor to raise`,
      };
    }
    const made =
      hpa.madeBy === null
        ? null
        : `HPA ${hpa.name} is KEDA's, made by ScaledObject ${hpa.madeBy}, whose floor Headroom may not read; ` +
          'grant list on scaledobjects.keda.sh';
    return openFloorOf(hpa, 'minReplicas', field, at, context, made);
  },
};
