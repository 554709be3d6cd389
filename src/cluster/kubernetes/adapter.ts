import type { KubeConfig } from '@kubernetes/client-node';
import { HeadroomError } from '../../domain/errors.js';
import type { FieldTarget, MutationResult } from '../../domain/cluster.js';
import { describeTarget, judgeApply, judgeRestore } from '../fence.js';
import type { Cluster, FieldPlace } from '../port.js';
import { createKubernetesApi } from './api.js';
import { createTransport } from './cache/transport.js';
import { createWatches, type WatchesOptions } from './cache/watches.js';
import { carrySizes } from './carry-sizes.js';
import { isWorkload, locate } from './locate.js';
import { stateOf } from './observe.js';
import { createKubernetesCrossing } from './migrate/crossing.js';
import { createKubernetesMigrating } from './migrate/migrating.js';
import { createRestObjects } from './migrate/rest.js';
import { createReleaser } from './provision/releaser.js';
import { withProvisioning } from './provision/observe.js';
import { releaseMarks } from './release.js';
import { createPresence, type PresenceOptions } from './presence.js';
import { writeField } from './write-field.js';

const COMPONENT = 'cluster/kubernetes';

/**
 * The port over a Kubernetes API server. A field, and the mark with the change's key, are written by one Server-Side
 * Apply on the object itself, with its resourceVersion as the precondition. (The scale subresource would take the number without the
 * mark; after a crash between the two, Headroom's own write could not be told from a person's.)
 *
 * What is observed comes from watches that begin with the first look and end with `close`; a write reads its object
 * afresh. docs/kubernetes.md says which verbs are needed.
 * @throws HeadroomError `invalid-input` where the kubeconfig names no cluster.
 */
export function createKubernetesCluster(options: {
  kubeConfig: KubeConfig;
  /** Default: the kubeconfig's name for it. */
  name?: string;
  watches?: WatchesOptions;
  presence?: PresenceOptions;
}): Cluster {
  const { kubeConfig } = options;
  const current = kubeConfig.getCurrentCluster();
  if (current === null) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: COMPONENT,
      action: 'connecting',
      problem: 'the kubeconfig has no current cluster',
      remedy: 'choose one with kubectl config use-context, or set KUBECONFIG',
    });
  }
  const api = createKubernetesApi(kubeConfig);
  const transport = createTransport(kubeConfig);
  const watches = createWatches(transport, options.watches);
  const presence = createPresence(transport, watches, options.presence);
  const releaser = createReleaser({ api: api.provision });
  /** Finds the object of a target by labels, and has `observe` wait for what is then written to it. */
  const placed = async (
    {
      account,
      target,
      at,
      signal,
    }: { account: string; target: FieldTarget; at: FieldPlace | null; signal: AbortSignal },
    write: (place: FieldPlace | null) => Promise<MutationResult>,
  ): Promise<MutationResult> => {
    if (!isWorkload(at)) return write(at);
    const place = await locate(transport, at, signal);
    if ('absent' in place) return { kind: 'not-found', detail: `${describeTarget(account, target)}: ${place.absent}` };
    try {
      return await write(place);
    } finally {
      presence.wrote(at);
    }
  };
  return {
    name: options.name ?? current.name,
    observe: async (request, signal) => {
      signal.throwIfAborted();
      const unseen = await presence.settle(request, signal);
      const state = stateOf(watches, request, unseen, Date.now() / 1000);
      await carrySizes(api, watches, request, signal);
      return withProvisioning(state, request, { api: api.provision, releaser }, signal);
    },
    apply: (mutation, at, signal) => {
      const { account, target, key, reason, dataSets } = mutation;
      const purpose = 'apply';
      const owner = null;
      return placed({ account, target, at, signal }, (place) =>
        writeField(
          api,
          { account, target, at: place, key, reason, purpose, owner, signal, ...(dataSets && { dataSets }) },
          (now) => judgeApply(now, mutation),
        ),
      );
    },
    restore: ({ account, target, key, reason, changeKeys, owner }, at, signal) => {
      const purpose = 'restore';
      return placed({ account, target, at, signal }, (place) =>
        writeField(api, { account, target, at: place, key, reason, purpose, owner, signal }, (now) =>
          judgeRestore(now, { key, changeKeys, good: target.value }),
        ),
      );
    },
    release: (account, places, signal) => releaseMarks(api, account, places, signal),
    migrating: createKubernetesMigrating({ api: createRestObjects(kubeConfig), transport, provision: api.provision }),
    crossing: createKubernetesCrossing({ api: createRestObjects(kubeConfig), transport }),
    close: () => {
      releaser.close();
      return watches.close();
    },
  };
}
