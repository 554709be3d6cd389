import { z } from 'zod';
import { COMPONENTS, parseQuantity, type Component } from '../../domain/component.js';
import { HeadroomError } from '../../domain/errors.js';
import { read } from '../../domain/read.js';
import { parseDuration } from '../../domain/time.js';

/*
 * What a ScaledObject asks for, in the words of its trigger's metadata. All values are text there.
 */

export const COMPONENT = 'operate/external-scaler';

export interface ScalerQuery {
  /** Of the ScaledObject, as KEDA states it: the tenant's boundary. */
  namespace: string;
  account: string;
  workload: string;
  metric: 'replicas' | Component;
  /** The level of the demand; null: as the policy has it. */
  level: number | null;
  /** Seconds; null: the workload's lead time. */
  ahead: number | null;
  /** What one replica stands for (replicas, or the component's unit); null: 1, or what one replica may use. */
  target: number | null;
  /** Active above this, in the metric's unit. */
  activation: number;
}

const METRICS = ['replicas', ...COMPONENTS] as const;

/** KEDA hands its own settings on with ours. */
const KEDA_OWN = ['scalerAddress', 'enableTLS', 'unsafeSsl', 'caCert', 'tlsClientCert', 'tlsClientKey', 'tlsCertFile'];

const positive = (text: string): number => {
  const value = parseQuantity(text);
  if (!(value > 0)) throw new RangeError(`"${text}" must be above 0`);
  return value;
};
const notNegative = (text: string): number => {
  const value = parseQuantity(text);
  if (!(value >= 0)) throw new RangeError(`"${text}" must not be negative`);
  return value;
};
const level = (text: string): number => {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0.5 && value <= 0.9999))
    throw new RangeError(`"${text}" is not a level; write one from 0.5 to 0.9999`);
  return value;
};

const metadataSchema = z.strictObject({
  account: z.string().min(1).max(63),
  workload: z.string().min(1).max(63),
  metric: z.enum(METRICS).default('replicas'),
  level: z.string().transform(read(level)).optional(),
  ahead: z.string().transform(read(parseDuration)).optional(),
  target: z.string().transform(read(positive)).optional(),
  activation: z.string().transform(read(notNegative)).optional(),
});

const requestSchema = z.object({
  name: z.string(),
  namespace: z.string(),
  scalerMetadata: z.record(z.string(), z.string()),
});

/**
 * Reads a ScaledObjectRef.
 * @throws HeadroomError `invalid-input`, with every problem of the metadata at once.
 */
export function readQuery(request: unknown): ScalerQuery {
  const { name, namespace, scalerMetadata } = requestSchema.parse(request);
  const refuse = (problem: string): never => {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: COMPONENT,
      action: `reading the trigger of ScaledObject ${namespace}/${name}`,
      problem,
      remedy: `its metadata takes account, workload, metric (${METRICS.join(', ')}), level, ahead, target, activation`,
    });
  };
  if (namespace === '') refuse('it names no namespace');
  const own = Object.fromEntries(Object.entries(scalerMetadata).filter(([key]) => !KEDA_OWN.includes(key)));
  const parsed = metadataSchema.safeParse(own);
  if (!parsed.success) {
    return refuse(
      parsed.error.issues
        .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
        .join('; '),
    );
  }
  const { data } = parsed;
  if (data.metric === 'replicas' && data.level !== undefined) {
    refuse('level: replicas are planned at the level of the account file; leave it out, or name a component as metric');
  }
  return {
    namespace,
    account: data.account,
    workload: data.workload,
    metric: data.metric,
    level: data.level ?? null,
    ahead: data.ahead ?? null,
    target: data.target ?? null,
    activation: data.activation ?? 0,
  };
}

/** `headroom-shop-web-replicas`: what the autoscaler shows. Lower case and dashes, as Kubernetes' names are. */
export const metricNameOf = ({ account, workload, metric }: ScalerQuery): string =>
  ['headroom', account, workload, metric].join('-').replaceAll('.', '-').toLowerCase();
