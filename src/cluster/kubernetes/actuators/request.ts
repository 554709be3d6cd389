import { COMPONENTS } from '../../../domain/component.js';
import { reportedOwner } from '../../fence.js';
import { workloadPlace } from '../../port.js';
import { writeObject } from '../intent.js';
import { fieldOwner } from '../managed-fields.js';
import { readMark } from '../marks.js';
import { mainContainer, mainRequest, requestPath, requestsOf, RESOURCE_NAMES } from '../requests.js';
import type { Actuator } from './actuator.js';
import { readWorkload, type LiveWorkload } from './live-workload.js';

/** What one replica asks for of one component, in the pod template. */
export const request: Actuator<'request'> = {
  field: 'request',
  async open(field, place, { api, writeAs, signal }) {
    const at = workloadPlace(place);
    const workload = await readWorkload(api, at, signal);
    const { ref, object } = workload;
    const { template } = workload.spec;
    const value = requestsOf(template)[field.component];
    const container = mainContainer(template);
    const resource = RESOURCE_NAMES[field.component];
    if (value === undefined || container === undefined || resource === undefined) {
      return { kind: 'missing', detail: `${at.kind} ${at.namespace}/${at.name} requests no ${field.component}` };
    }
    const path = requestPath(container.name, resource);
    const wanted = mainRequest(template, field.component, field.value);
    return {
      kind: 'open',
      now: {
        value,
        owner: fieldOwner(object.metadata.managedFields, path),
        reportedOwner: reportedOwner(ownersOfRequests(workload)),
        mark: readMark(object.metadata.annotations, field),
      },
      stored: 'refused' in wanted ? field.value : wanted.value,
      refusal: 'refused' in wanted ? wanted.refused : null,
      write: async (mark) => {
        if ('refused' in wanted) return;
        const sized = { name: container.name, resources: { requests: { [resource]: wanted.quantity } } };
        const fields = { spec: { template: { spec: { containers: [sized] } } } };
        await writeObject(api, { ref, object, fields, paths: [path], annotations: mark, writeAs }, signal);
      },
    };
  },
};

/** Of the container that is sized, for each component that a replica asks for: as `observe` has them. */
function ownersOfRequests({ object, spec }: LiveWorkload): (string | null)[] {
  const container = mainContainer(spec.template);
  const requested = requestsOf(spec.template);
  return COMPONENTS.flatMap((component) => {
    const resource = RESOURCE_NAMES[component];
    if (container === undefined || resource === undefined || requested[component] === undefined) return [];
    return [fieldOwner(object.metadata.managedFields, requestPath(container.name, resource))];
  });
}
