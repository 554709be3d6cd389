import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { kubectlOn, nodeObject } from '../../infra/servers/index.js';

/** Where the shared servers are. `own`: the user's, so that a test must not stop or break it. */
export interface RealServers {
  influx: { url: string; token: string; org: string; own: boolean };
  prometheus: { url: string; own: boolean };
  cluster: { kubeconfig: string; own: boolean };
}

export const real: RealServers = inject('real');

/** A name that no other test file uses, for a namespace, a bucket or an account. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomBytes(4).toString('hex')}`;

/** kubectl on the shared control plane; `as`: another kubeconfig. @throws Error with what kubectl said. */
export const kubectl = (args: readonly string[], options: { input?: string; as?: string } = {}): Promise<string> =>
  kubectlOn(options.as ?? real.cluster.kubeconfig, args, options.input);

/** Applies objects given as plain JSON. */
export const applyObjects = (...objects: unknown[]): Promise<string> =>
  kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) });

/** A namespace of the test's own; `remove` deletes it without waiting. */
export async function ownNamespace(prefix: string): Promise<{ name: string; remove(): Promise<void> }> {
  const name = uniqueName(prefix);
  await kubectl(['create', 'namespace', name]);
  return { name, remove: async () => void (await kubectl(['delete', 'namespace', name, '--wait=false'])) };
}

/** A machine of CI may be several times slower than a desk: what has come about by then was never going to be late. */
const PATIENCE_SECONDS = 300;

/** Waits until something is so. @throws the last error, or that it did not come about, after `seconds`. */
export async function eventually<T>(
  look: () => Promise<T | null | undefined | false>,
  seconds = PATIENCE_SECONDS,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  let last: unknown = null;
  for (;;) {
    try {
      const found = await look();
      if (found !== null && found !== undefined && found !== false) return found;
      last = null;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`it did not come about within ${seconds} s`, last === null ? {} : { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Nodes of a pool of the test's own, which kwok gets ready; nothing else lands on them. */
export const poolNodes = (pool: string, count: number, cpu = '8'): object[] =>
  Array.from({ length: count }, (_, index) =>
    nodeObject({
      name: `${pool}-${index}`,
      labels: { 'headroom.dev/pool': pool },
      taints: [{ key: 'pool', value: pool, effect: 'NoSchedule' }],
      cpu,
    }),
  );

/** What a pod needs to run on the nodes of a pool, and only there. */
export const onPool = (pool: string): object => ({
  nodeSelector: { 'headroom.dev/pool': pool },
  tolerations: [{ key: 'pool', value: pool, effect: 'NoSchedule' }],
});

export const removeNodes = async (pool: string): Promise<void> =>
  void (await kubectl(['delete', 'nodes', '-l', `headroom.dev/pool=${pool}`, '--wait=false']));
