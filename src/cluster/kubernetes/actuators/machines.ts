import { poolPlace } from '../../port.js';
import { ApiRefusal } from '../calls.js';
import { writeObject } from '../intent.js';
import { fieldOwner } from '../managed-fields.js';
import { readMark } from '../marks.js';
import type { ObjectKind } from '../objects.js';
import { machineDeploymentOf, type MachineDeployment } from '../provision/api.js';
import type { Actuator } from './actuator.js';

/*
 * Cluster API's MachineDeployment: how many machines it has, and nothing else of it. Which machine goes is its own
 * delete policy's to say. The number is written on the object and not through its scale subresource, as replicas of
 * workloads are: number, mark and resourceVersion go in one request, so that after a crash between two writes Headroom's
 * own number could not be taken for a person's.
 */

export const MACHINE_DEPLOYMENT: ObjectKind = {
  group: 'cluster.x-k8s.io',
  version: 'v1beta1',
  plural: 'machinedeployments',
  kind: 'MachineDeployment',
};

/** The API's own default is 1 where nothing is said. */
export const machineCount = (object: MachineDeployment): number => object.spec.replicas ?? 1;

const PATH = ['spec', 'replicas'];

export const machinesOwner = (object: MachineDeployment) => fieldOwner(object.metadata.managedFields, PATH);

/** `spec.replicas`. */
export const machines: Actuator<'nodes'> = {
  field: 'nodes',
  async open(field, place, { api, writeAs, signal }) {
    const { pool, clusterApi } = poolPlace(place);
    if (clusterApi === undefined) return { kind: 'missing', detail: `pool ${pool} has no provisioning cluster-api` };
    const ref = { ...MACHINE_DEPLOYMENT, ...clusterApi };
    const object = await api.read(ref, signal).catch((error: unknown) => {
      if (error instanceof ApiRefusal && error.kind === 'not-found') return null;
      throw error;
    });
    if (object === null) {
      const where = `${clusterApi.namespace}/${clusterApi.name}`;
      return { kind: 'missing', detail: `there is no MachineDeployment ${where} (cluster.x-k8s.io/v1beta1)` };
    }
    const read = machineDeploymentOf(object);
    const owner = machinesOwner(read);
    const { value } = field;
    return {
      kind: 'open',
      now: {
        value: machineCount(read),
        owner,
        reportedOwner: owner,
        mark: readMark(object.metadata.annotations, field),
      },
      stored: value,
      refusal: Number.isInteger(value) && value >= 0 ? null : `${value} is not a whole number of machines`,
      write: (annotations) =>
        writeObject(
          api,
          { ref, object, fields: { spec: { replicas: value } }, paths: [PATH], annotations, writeAs },
          signal,
        ),
    };
  },
};
