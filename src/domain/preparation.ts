import { z } from 'zod';
import { LIMIT_RESOURCES } from './cluster.js';
import { duration, name, namespaceName, quantity } from './values.js';

/*
 * What an account file says of the things that go before capacity: nodes that are kept warm, the bounds of a node
 * provisioner, images and caches, and the CronJob behind a movable task. All optional: a policy written before they
 * existed says the same as before.
 */

/** Pulled by every node anyway: the container that holds a pod's place and does nothing. */
export const PAUSE_IMAGE = 'registry.k8s.io/pause:3.10.1';

const image = z.string().min(1).max(512);

const tolerationSchema = z.strictObject({
  key: z.string().min(1).optional(),
  operator: z.enum(['Exists', 'Equal']).default('Equal'),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
});

export const placeholdersSchema = z.strictObject({
  namespace: namespaceName.optional().describe('Where the placeholders run; default: the account’s name'),
  share: z
    .number()
    .min(0.01)
    .max(1)
    .default(0.25)
    .describe(
      'Share of a node (as the pool’s `node` has it) that one placeholder keeps free; whole nodes only where pods are packed',
    ),
  image: image.default(PAUSE_IMAGE),
  priorityClass: name
    .default('headroom-warm')
    .describe('PriorityClass of the placeholders; made with `priority` where it is not there'),
  priority: z
    .int()
    .min(-1_000_000_000)
    .max(-1)
    .default(-10)
    .describe('Below what serves; Cluster Autoscaler adds nodes for pods of -10 and above'),
  tolerations: z.array(tolerationSchema).max(16).default([]).describe('Of the taints of the pool’s nodes'),
});

const karpenterSchema = z.strictObject({
  nodePool: name.optional().describe('The NodePool (karpenter.sh/v1) behind the pool; default: the pool’s name'),
  limit: z
    .enum(LIMIT_RESOURCES)
    .optional()
    .describe('Write this resource of spec.limits: what the pool’s maximum and the budget allow'),
  weight: z.boolean().default(false).describe('Write spec.weight: the pools that the plan uses come first'),
});

export const provisioningSchema = z
  .strictObject({
    placeholders: placeholdersSchema.optional().describe('Keep nodes warm by low-priority pods that give way'),
    karpenter: karpenterSchema.optional(),
    takeOwnership: z
      .boolean()
      .default(false)
      .describe('Consent to take a field of the pool that someone else owns; it is given back with its old value'),
  })
  .meta({ description: 'How the pool gets its nodes on Kubernetes; without it the node autoscaler alone decides' });

export type PlaceholderPolicy = z.output<typeof placeholdersSchema>;

export const taskTargetSchema = z.strictObject({
  namespace: namespaceName.optional().describe('Default: the account’s name'),
  cronJob: name.max(52).optional().describe('Default: the task’s name'),
});

export const prepullSchema = z
  .strictObject({
    ahead: duration.default(600),
    deadline: duration.default(600).describe('Pulls that take longer are given up'),
    image: image.default(PAUSE_IMAGE).describe('Runs beside the mounted images and ends at once: /pause -v'),
    arguments: z.array(z.string()).default(['-v']),
  })
  .meta({ description: 'Pull the workload’s images onto ready nodes before replicas are raised' });

export type PrepullPolicy = z.output<typeof prepullSchema>;

export const dataSetsSchema = z
  .strictObject({
    atLeast: z.number().min(0.01).max(1).default(0.5).describe('Probability of being read from which one is named'),
    most: z.int().min(1).max(100).default(20).describe('At most so many, the likeliest'),
  })
  .meta({
    description:
      'Run before each hour in which data sets are likely to be read, too, and be told which; without it, before replicas rise alone',
  });

export type DataSetsPolicy = z.output<typeof dataSetsSchema>;

export const warmUpSchema = z
  .strictObject({
    name: name.max(40),
    ahead: duration.default(600).describe('How long before capacity is needed'),
    deadline: duration.default(600).describe('A run that takes longer is ended'),
    retries: z.int().min(0).max(10).default(1),
    image,
    command: z.array(z.string()).max(64).optional(),
    arguments: z.array(z.string()).max(64).optional(),
    environment: z.record(z.string().regex(/^[-._a-zA-Z][-._a-zA-Z0-9]*$/), z.string()).default({}),
    serviceAccount: name.optional(),
    requests: z.strictObject({ cpu: quantity.optional(), memory: quantity.optional() }).default({}),
    dataSets: dataSetsSchema.optional(),
  })
  .meta({ description: 'A Job that fills caches before replicas are raised' });

export type WarmUpPolicy = z.output<typeof warmUpSchema>;
