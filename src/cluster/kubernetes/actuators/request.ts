import { reportedOwner } from '../../fence.js';
import { workloadPlace } from '../../port.js';
import { readMark } from '../marks.js';
import { mainContainer, mainRequest, requestsOf, RESOURCE_NAMES } from '../requests.js';
import { requestOwners } from '../state.js';
import type { Actuator } from './actuator.js';

/** What one replica asks for of one component, in the pod template. */
export const request: Actuator<'request'> = {
  field: 'request',
  async open(field, place, { api, writeAs, signal }) {
    const at = workloadPlace(place);
    const object = await api.readWorkload(at, signal);
    const template = object.spec?.template;
    const value = requestsOf(template)[field.component];
    if (value === undefined) {
      return { kind: 'missing', detail: `${at.kind} ${at.namespace}/${at.name} requests no ${field.component}` };
    }
    const owners = requestOwners(object);
    const { annotations, resourceVersion } = object.metadata ?? {};
    const wanted = mainRequest(template, field.component, field.value);
    const container = mainContainer(template);
    const resource = RESOURCE_NAMES[field.component];
    return {
      kind: 'open',
      now: {
        value,
        owner: owners.find(({ component }) => component === field.component)?.owner ?? null,
        reportedOwner: reportedOwner(owners.map(({ owner }) => owner)),
        mark: readMark(annotations, field),
      },
      stored: 'refused' in wanted ? field.value : wanted.value,
      refusal: 'refused' in wanted ? wanted.refused : null,
      write: async (mark) => {
        if ('refused' in wanted || container === undefined || resource === undefined) return;
        const sized = { name: container.name, resources: { requests: { [resource]: wanted.quantity } } };
        await api.patchWorkload(
          at,
          {
            metadata: { resourceVersion, annotations: mark },
            spec: { template: { spec: { containers: [sized] } } },
          },
          writeAs.manager,
          signal,
        );
      },
    };
  },
};
