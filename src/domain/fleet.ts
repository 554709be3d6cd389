import { z } from 'zod';
import { CAPACITY_TYPES } from './account.js';
import { LIMIT_RESOURCES } from './cluster.js';
import { placeholdersSchema } from './preparation.js';
import { pricesSchema } from './prices.js';
import { reservationSchema } from './reservation.js';
import { duration, labelsSchema, name, namespaceName, resources } from './values.js';

/*
 * The fleet file: the pools that accounts share, how their nodes come and go, and how long a grant lasts. It is read
 * into the policy of the workflow `fleet/main`.
 */

/** Prefix of the variables that a webhook's secret may be in: a file names none of the others. */
export const SECRET_PREFIX = 'HEADROOM_WEBHOOK_';

const webhookSchema = z.strictObject({
  kind: z.literal('webhook'),
  url: z
    .url({ protocol: /^https?$/, message: 'is no address; write https://… (http for a network that can be trusted)' })
    .describe('POSTed to, signed, to read a pool and to size it; docs/fleet.md has the contract'),
  secretFrom: z
    .string()
    .regex(/^HEADROOM_WEBHOOK_[A-Z0-9_]+$/, `must name a variable that begins with ${SECRET_PREFIX}`)
    .describe('The environment variable of the worker that holds the secret; the secret itself stands in no file'),
  timeout: duration.default(10).describe('Seconds that one answer may take'),
});

const provisioningSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }).describe('Nobody sizes it: shown in plans alone'),
    z.strictObject({ kind: z.literal('simulated') }).describe('The simulated cluster'),
    z.strictObject({
      kind: z.literal('karpenter'),
      nodePool: name.optional().describe('The NodePool (karpenter.sh/v1) behind it; default: the pool’s name'),
      limit: z
        .enum(LIMIT_RESOURCES)
        .default('cpu')
        .describe('Of spec.limits, the resource that says how far Karpenter may grow it'),
      placeholders: placeholdersSchema
        .optional()
        .describe('Keeps the pool’s warm nodes by low-priority pods that give way'),
    }),
    z.strictObject({
      kind: z.literal('cluster-api'),
      namespace: namespaceName.default('default').describe('Of the MachineDeployment, in the management cluster'),
      machineDeployment: name.optional().describe('Default: the pool’s name'),
    }),
    webhookSchema,
  ])
  .meta({ description: 'How the nodes of the pool come and go' });

const sharedPoolSchema = z
  .strictObject({
    name: name.describe('Accounts whose file names a pool of this name, on this cluster, share it'),
    cluster: name.default('main').describe('The cluster whose worker reads and sizes it'),
    provider: z.string().min(1).optional(),
    region: z.string().min(1).optional(),
    zone: z.string().min(1).optional(),
    capacityType: z.enum(CAPACITY_TYPES).default('on-demand'),
    pricePerHour: z.number().min(0).max(1e6).describe('Of one node, in the fleet’s currency'),
    node: resources
      .refine((node) => Object.values(node).some((amount) => amount > 0), 'offers nothing: give it cpu, at least')
      .describe('What one node offers to workloads'),
    size: z.enum(['fixed', 'variable']).default('variable').describe('Fixed: as many nodes as there are; never sized'),
    min: z.int().min(0).default(0),
    max: z.int().min(0).default(1000),
    warm: z.int().min(0).default(0).describe('Nodes to keep ready beyond what is planned to be used'),
    leadTime: duration.default(180).describe('From asking for a node to its being ready'),
    startPrice: z.number().min(0).default(0).describe('What starting one node costs, once'),
    interruptionsPerHour: z.number().min(0).default(0).describe('Expected interruptions of one spot node in an hour'),
    nodeSelector: labelsSchema.optional().describe('Labels that its nodes carry, as in the account file'),
    provisioning: provisioningSchema.prefault({ kind: 'none' }),
  })
  .meta({ id: 'SharedPool' });

const movingSchema = z.strictObject({
  saving: z
    .number()
    .min(0)
    .max(1)
    .default(0.05)
    .describe(
      'Nodes are let go where that saves at least this share of the fleet’s bill, and an account moves to another pool where it saves this share of its own',
    ),
  price: z
    .number()
    .min(0)
    .default(0)
    .describe('Money besides, that moving a whole account to a pool where it does not run costs'),
  mostUp: z.int().min(1).default(100).describe('Nodes that a pool gets in one cycle, at most'),
  mostDown: z.int().min(1).default(5).describe('Nodes that a pool gives up in one cycle, at most'),
});

const memberSchema = z
  .strictObject({
    account: name,
    movePrice: z.number().min(0).optional().describe('Instead of moving.price'),
    placementPerHour: z
      .record(name, z.number().min(0))
      .optional()
      .describe('Money per hour of running all of it on a pool, besides nodes: egress to its data, licences'),
  })
  .meta({ id: 'Member' });

const commitmentTermSchema = z.strictObject({
  name,
  pool: name.describe('The on-demand pool whose nodes it stands for'),
  length: duration.describe('How long it binds, as 365d'),
  pricePerHour: z.number().min(0).max(1e6).describe('Of one node, paid whether it is used or not'),
  most: z.int().min(0).default(1000).describe('Nodes at most'),
});

const commitmentsSchema = z.strictObject({
  every: duration.default(604_800).describe('How often a recommendation is made; a person decides on it'),
  terms: z.array(commitmentTermSchema).min(1),
});

export const FLEET_MODES = ['observe', 'grant', 'auto'] as const;

export const fleetFileSchema = z
  .strictObject({
    version: z.literal('headroom/v1'),
    fleet: name.describe('The name of the fleet: what tells this file from an account file'),
    mode: z
      .enum(FLEET_MODES)
      .default('observe')
      .describe('observe: plans are shown; grant: grants bind as well; auto: pools are sized, too'),
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code, as EUR')
      .default('USD'),
    cycle: duration.default(300),
    step: duration.default(300).describe('The length of a block of the plan for two hours; hours after that'),
    horizon: duration.default(86_400).describe('How far the plan looks ahead, a day at most'),
    grantsFor: duration.default(900).describe('How long a grant lasts; then the account falls to its guaranteed share'),
    staleAfter: duration
      .default(1800)
      .describe('An account whose newest forecast is older has unknown demand: it keeps what it has'),
    prices: pricesSchema
      .optional()
      .describe('Where prices of pools come from; pricePerHour counts where there are none'),
    forgetAfter: duration.default(86_400).describe('An account that has been silent for so long is no longer counted'),
    moving: movingSchema.prefault({}),
    pools: z.array(sharedPoolSchema).min(1).max(100),
    accounts: z.array(memberSchema).max(10_000).default([]).describe('What is special about single accounts'),
    commitments: commitmentsSchema.optional(),
    reservations: z
      .array(reservationSchema)
      .max(1000)
      .optional()
      .describe('Nodes that are paid anyway, besides what was approved: plans fill them first'),
  })
  .meta({ id: 'Fleet', title: 'Headroom fleet file' });

/** What an operator writes. */
export type FleetFile = z.input<typeof fleetFileSchema>;
/** The file with every default filled in and every amount a number. Plain JSON: it travels with the workflow. */
export type FleetPolicy = z.output<typeof fleetFileSchema>;
export type SharedPool = FleetPolicy['pools'][number];
