import { z } from 'zod';
import type { MoveRequest } from '../../migrating.js';
import { ApiRefusal } from '../calls.js';
import type { JsonObject, LiveObject } from '../objects.js';
import { CLAIM, CSI_DRIVER, MADE_BY, SNAPSHOT, SNAPSHOT_CLASS, STORAGE_CLASS } from './kinds.js';
import { refOf, type SeenWorkload } from './seen.js';
import type { RestObjects } from './rest.js';

/*
 * Volumes of the copy: restored from a snapshot where the driver has a VolumeSnapshotClass, cloned where it is a CSI driver.
 * https://kubernetes.io/docs/concepts/storage/volume-pvc-datasource/
 */

/** One claim of the source, and how the copy gets its own. */
export interface VolumePlan {
  claim: string;
  copy: string;
  method: 'snapshot' | 'clone';
  /** With `snapshot`. */
  snapshotClass: string | null;
}

const claimSchema = z.object({
  spec: z.looseObject({
    accessModes: z.array(z.string()).default([]),
    resources: z.looseObject({}).optional(),
    storageClassName: z.string().optional(),
    volumeMode: z.string().optional(),
  }),
});
const classSchema = z.object({ provisioner: z.string() });
const snapshotClassSchema = z.object({ driver: z.string() });
const volumeSchema = z.object({ persistentVolumeClaim: z.object({ claimName: z.string() }) });

/** Claims of the source by name, with the copy's: of a StatefulSet one a replica and template, else those that it mounts. */
export function claimsOf({ spec, object }: SeenWorkload, copy: string): { claim: string; copy: string }[] {
  const { name } = object.metadata;
  const templates = spec.volumeClaimTemplates ?? [];
  const owned = templates.flatMap(({ metadata }) =>
    Array.from({ length: spec.replicas }, (_, index) => ({
      claim: `${metadata.name}-${name}-${index}`,
      copy: `${metadata.name}-${copy}-${index}`,
    })),
  );
  const mounted = (spec.template.spec.volumes ?? []).flatMap((volume) => {
    const found = volumeSchema.safeParse(volume).data?.persistentVolumeClaim.claimName;
    return found === undefined ? [] : [{ claim: found, copy: copiedClaim(found, copy) }];
  });
  return [...owned, ...mounted];
}

const retentionSchema = z.object({
  persistentVolumeClaimRetentionPolicy: z.object({
    whenDeleted: z.string().optional(),
    whenScaled: z.string().optional(),
  }),
});

/** Of a StatefulSet whose controller would take away what the copies are made of. */
function deletesVolumes({ spec }: SeenWorkload): boolean {
  const policy = retentionSchema.safeParse(spec).data?.persistentVolumeClaimRetentionPolicy;
  return policy?.whenDeleted === 'Delete' || policy?.whenScaled === 'Delete';
}

export const copiedClaim = (claim: string, copy: string): string => `${claim.slice(0, 240 - copy.length)}-${copy}`;

/** How each claim can be copied; what cannot be, and why, with what to do. */
export async function planVolumes(
  api: RestObjects,
  source: SeenWorkload,
  request: MoveRequest,
  signal: AbortSignal,
): Promise<{ plans: VolumePlan[]; refusals: string[] }> {
  const claims = claimsOf(source, request.copy);
  if (claims.length === 0) {
    return { plans: [], refusals: request.stop === true ? ['it has no volumes: leave --stop-for-volumes out'] : [] };
  }
  if (!request.copyVolumes) {
    const names = claims.map(({ claim }) => claim).join(', ');
    const why = `it has volumes (${names}): a copy of them ends where it was made, and what is written later stays with the old one`;
    const remedy =
      'have it stopped meanwhile with --stop-for-volumes, consent to the loss with --copy-volumes, or replicate the data by its own means';
    return { plans: [], refusals: [`${why}; ${remedy}`] };
  }
  const { namespace } = request.at;
  const plans: VolumePlan[] = [];
  const refusals: string[] = deletesVolumes(source)
    ? [
        'its persistentVolumeClaimRetentionPolicy deletes volumes when it is scaled down or removed, and those of the old one are to stay: set both to Retain',
      ]
    : [];
  const snapshotClasses = await api.select(SNAPSHOT_CLASS, null, '', signal);
  for (const { claim, copy } of claims) {
    const object = await api.find(refOf(CLAIM, namespace, claim), signal);
    const className = object === null ? undefined : claimSchema.parse(object).spec.storageClassName;
    if (object === null || className === undefined || className === '') {
      const problem = object === null ? 'is not there' : 'has no storage class';
      refusals.push(`claim ${namespace}/${claim} ${problem}: nothing can copy it; move its data by hand`);
      continue;
    }
    const found = await api.find(refOf(STORAGE_CLASS, null, className), signal);
    const provisioner = found === null ? null : classSchema.parse(found).provisioner;
    const snapshotClass = snapshotClasses.find(
      (one) => snapshotClassSchema.safeParse(one).data?.driver === provisioner,
    );
    const driver = provisioner === null ? null : await api.find(refOf(CSI_DRIVER, null, provisioner), signal);
    if (snapshotClass !== undefined) {
      plans.push({ claim, copy, method: 'snapshot', snapshotClass: snapshotClass.metadata.name });
    } else if (driver !== null) plans.push({ claim, copy, method: 'clone', snapshotClass: null });
    else {
      refusals.push(
        `storage class ${className} of claim ${namespace}/${claim} (${provisioner ?? 'which is not there'}) is of no CSI ` +
          'driver that could clone or snapshot it; move its data by hand, or to a class that can',
      );
    }
  }
  return { plans, refusals };
}

/** Makes the copies' claims, each from its snapshot or source; made ones are left as they are. */
export async function makeVolumes(
  api: RestObjects,
  plans: readonly VolumePlan[],
  { id, account, at: { namespace } }: MoveRequest,
  manager: string,
  signal: AbortSignal,
): Promise<string | null> {
  const metadata = (name: string): JsonObject => ({
    ...{ name, namespace, annotations: { [MADE_BY]: id } },
    labels: { 'headroom.dev/account': account },
  });
  for (const { claim, copy, method, snapshotClass } of plans) {
    const source = await api.find(refOf(CLAIM, namespace, claim), signal);
    if (source === null) return `claim ${namespace}/${claim} is gone`;
    const { accessModes, resources, storageClassName, volumeMode } = claimSchema.parse(source).spec;
    const snapshot = refOf(SNAPSHOT, namespace, copy);
    if (method === 'snapshot') {
      const body = {
        ...{ apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshot', metadata: metadata(copy) },
        spec: { volumeSnapshotClassName: snapshotClass, source: { persistentVolumeClaimName: claim } },
      };
      const other = await make(api, snapshot, body, id, manager, signal);
      if (other !== null) return other;
    }
    const dataSource =
      method === 'snapshot'
        ? { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: copy }
        : { kind: 'PersistentVolumeClaim', name: claim };
    const body = {
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: metadata(copy) },
      spec: { accessModes, resources, storageClassName, volumeMode, dataSource },
    };
    const other = await make(api, refOf(CLAIM, namespace, copy), body, id, manager, signal);
    if (other !== null) return other;
  }
  return null;
}

/** Makes an object, or finds it made; says whose it is where another stands there. */
export async function make(
  api: RestObjects,
  ref: ReturnType<typeof refOf>,
  body: JsonObject,
  id: string,
  manager: string,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    await api.create(ref, body, manager, signal);
    return null;
  } catch (error) {
    if (!(error instanceof ApiRefusal && error.kind === 'conflict')) throw error;
    const there = await api.find(ref, signal);
    return there !== null && isMadeBy(there, id)
      ? null
      : `there is a ${ref.kind} ${ref.namespace ?? ''}/${ref.name} already, which this migration has not made`;
  }
}

export const isMadeBy = (object: LiveObject, id: string): boolean => object.metadata.annotations?.[MADE_BY] === id;
