import { parseQuantity } from '../../../domain/component.js';
import { HEADROOM, reportedOwner } from '../../fence.js';
import { workloadPlace } from '../../port.js';
import { writeObject, type Write } from '../intent.js';
import { readMark } from '../marks.js';
import {
  inPlaceName,
  inPlaceNote,
  mainContainer,
  mainRequest,
  requestOwner,
  requestOwners,
  requestPath,
  requestsOf,
  RESOURCE_NAMES,
} from '../requests.js';
import type { Actuator, ActuatorContext, TargetOf } from './actuator.js';
import { resizePods } from './in-place.js';
import { readLimits } from './limits.js';
import { readWorkload, type LiveWorkload } from './live-workload.js';

/** How long a node may say that it has no room for a resize now, before the pods are rolled out instead. */
const PATIENCE_MS = 10_000;
const HEADROOM_ITSELF = { manager: HEADROOM, ours: true };

/**
 * What one replica asks for of one component. In place, where pods and server let it: the size is noted on the workload
 * and carried to its pods, and the template stays as it is. Else by the template, which replaces the pods at the pace that
 * its strategy allows.
 */
export const request: Actuator<'request'> = {
  field: 'request',
  async open(field, place, context) {
    const { api, purpose, writeAs, signal } = context;
    const at = workloadPlace(place);
    const workload = await readWorkload(api, at, signal);
    const { ref, object, sized } = workload;
    const { annotations } = object.metadata;
    const value = requestsOf(sized)[field.component];
    const container = mainContainer(workload.spec.template);
    const resource = RESOURCE_NAMES[field.component];
    const own = resource === undefined ? undefined : container?.resources?.requests?.[resource];
    if (value === undefined || container === undefined || resource === undefined || own === undefined) {
      return { kind: 'missing', detail: `${at.kind} ${at.namespace}/${at.name} requests no ${field.component}` };
    }
    const name = inPlaceName(field.component);
    const path = requestPath(container.name, resource);
    const wanted = mainRequest(sized, field.component, field.value);
    const quantity = 'refused' in wanted ? own : wanted.quantity;
    const given = annotations?.[name] !== undefined;
    // The way back goes by the way that was taken.
    const inPlace =
      purpose === 'restore' ? given : at.resize === 'in-place' && !restarts(workload, container.name, resource);
    const back = parseQuantity(quantity) === parseQuantity(own);
    const byTemplate = (of: LiveWorkload, mark: Record<string, string>): Write => ({
      ref,
      object: of.object,
      fields: {
        spec: {
          template: {
            spec: { containers: [{ name: container.name, resources: { requests: { [resource]: quantity } } }] },
          },
        },
      },
      paths: [path],
      annotations: mark,
      without: [name],
      writeAs,
    });
    return {
      kind: 'open',
      now: {
        value,
        owner: requestOwner(object.metadata, workload.spec.template, field.component),
        reportedOwner: reportedOwner(requestOwners(object.metadata, workload.spec.template)),
        mark: readMark(annotations, field),
      },
      stored: 'refused' in wanted ? field.value : wanted.value,
      refusal: 'refused' in wanted ? wanted.refused : null,
      limits: async () => (await readLimits(api, at, workload, signal)).request(field.component, value, field.value),
      write: (mark) => {
        if (!inPlace) return writeObject(api, byTemplate(workload, mark), signal);
        const note: Record<string, string> = back ? {} : { [name]: inPlaceNote(container.name, quantity, own) };
        const write = { ref, object, fields: {}, paths: [], writeAs: HEADROOM_ITSELF };
        return writeObject(api, { ...write, annotations: { ...mark, ...note }, without: back ? [name] : [] }, signal);
      },
      ...(inPlace
        ? { finish: () => carry(field, { container: container.name, resource, quantity }, byTemplate, at, context) }
        : {}),
    };
  },
};

/** To the pods; where they cannot be resized, to the template instead. */
async function carry(
  field: TargetOf<'request'>,
  sizing: { container: string; resource: string; quantity: string },
  byTemplate: (workload: LiveWorkload, mark: Record<string, string>) => Write,
  at: ReturnType<typeof workloadPlace>,
  { api, purpose, signal }: ActuatorContext,
): Promise<string | null> {
  const workload = await readWorkload(api, at, signal);
  const mark = readMark(workload.object.metadata.annotations, field);
  const refused = await resizePods(api, workload, sizing, PATIENCE_MS, signal);
  if (refused === null) return null;
  if (purpose === 'restore') {
    return `the size is taken back, and pods keep theirs until they are replaced: ${refused}; kubectl rollout restart replaces them`;
  }
  // Only while the object is as it was judged: a write in between makes it a conflict, and all is judged again.
  const now = await readWorkload(api, at, signal);
  if (readMark(now.object.metadata.annotations, field)?.key !== mark?.key) return null;
  await writeObject(api, byTemplate(now, {}), signal);
  return null;
}

/** A container that has to restart for it would do so in all pods at once: a rollout keeps to its pace. */
const restarts = ({ spec }: LiveWorkload, container: string, resource: string): boolean =>
  spec.template.spec.containers
    .find(({ name }) => name === container)
    ?.resizePolicy.some((policy) => policy.resourceName === resource && policy.restartPolicy !== 'NotRequired') ===
    true ||
  (resource !== 'cpu' && resource !== 'memory');
