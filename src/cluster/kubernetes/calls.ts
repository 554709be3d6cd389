import {
  ApiException,
  Observable,
  setHeaderOptions,
  type ConfigurationOptions,
  type KubeConfig,
  type ObservableMiddleware,
  type PatchStrategy,
} from '@kubernetes/client-node';
import { z } from 'zod';
import { HeadroomError } from '../../domain/errors.js';

/* What every call of the API server has in common: its cancellation, and refusals told from a server out of reach. */

/** What the API server said no to; `conflict`: the object is newer than what was read. */
export class ApiRefusal extends Error {
  constructor(
    readonly kind: 'not-found' | 'forbidden' | 'invalid' | 'conflict',
    message: string,
  ) {
    super(message);
  }
}

const statusSchema = z.object({ message: z.string() });

const cancelledBy = (signal: AbortSignal): ObservableMiddleware => ({
  pre: (request) => {
    request.setSignal(signal);
    return new Observable(Promise.resolve(request));
  },
  post: (response) => new Observable(Promise.resolve(response)),
});

type Options = ConfigurationOptions<ObservableMiddleware>;

/** Options of a call that ends with its signal. */
export const plain = (signal: AbortSignal): Options => ({
  middleware: [cancelledBy(signal)],
  middlewareMergeStrategy: 'append',
});

/** The same for a patch. */
export const patching = (strategy: PatchStrategy, signal: AbortSignal): Options =>
  setHeaderOptions('Content-Type', strategy, plain(signal));

/** `grant` is what a person has to allow where the server forbids it: `patch on deployments.apps`. */
export type Caller = <T>(grant: string, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

/** Calls that throw {@link ApiRefusal}, or HeadroomError `unavailable`. */
export function createCaller(kubeConfig: KubeConfig): Caller {
  const server = kubeConfig.getCurrentCluster()?.server ?? 'the API server';
  return async (grant, signal, work) => {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const unavailable = (problem: string) =>
        new HeadroomError({
          kind: 'unavailable',
          component: 'cluster/kubernetes',
          action: `asking ${server} for ${grant}`,
          problem,
          remedy: 'try again; repeating a write with its key is safe',
          cause: error,
        });
      if (!(error instanceof ApiException)) {
        throw unavailable(error instanceof Error ? error.message : String(error));
      }
      const said = messageOf(error);
      throw refusalOf(error.code, said, grant) ?? unavailable(`it answers ${error.code}: ${said}`);
    }
  };
}

/**
 * What the API server's status refuses; null where it refuses nothing, and another try may do.
 * @param grant the right that a role may lack, as `patch on deployments`.
 */
export function refusalOf(code: number, said: string, grant: string): ApiRefusal | null {
  switch (code) {
    case 404:
      return new ApiRefusal('not-found', said);
    case 409:
      return new ApiRefusal('conflict', said);
    case 400:
    case 405:
    case 413:
    case 415:
    case 422:
      return new ApiRefusal('invalid', said);
    case 401:
      return new ApiRefusal('forbidden', `${said}; renew the credentials of the kubeconfig`);
    case 403:
      return new ApiRefusal('forbidden', `${said}; where the role lacks it, grant ${grant}`);
    default:
      return null;
  }
}

/** The server's own words, out of the Status that it answers with. */
function messageOf(error: ApiException<unknown>): string {
  const { body } = error;
  let value: unknown = body;
  if (typeof body === 'string') {
    try {
      value = JSON.parse(body);
    } catch {
      return body;
    }
  }
  const status = statusSchema.safeParse(value);
  return status.success ? status.data.message : `status ${error.code}`;
}
