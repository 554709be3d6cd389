import { CronPattern } from 'croner';
import { z } from 'zod';
import { bandwidthSchema } from './bandwidth.js';
import { isHoliday } from './holidays.js';
import { MODEL_NAMES, TRAINED_NAMES } from './model-names.js';
import { nearest } from './nearest.js';
import { dataSetsSchema, prepullSchema, provisioningSchema, taskTargetSchema, warmUpSchema } from './preparation.js';
import { reservationSchema } from './reservation.js';
import { pricesSchema } from './prices.js';
import { STRATEGIES } from './strategies.js';
import { component, duration, labelsSchema, name, namespaceName, quantity, resources, time } from './values.js';

/*
 * The account file: what an operator writes, and (after parsing) the policy that every other part reads. Amounts
 * become numbers in the units of `component.ts`, durations seconds, times epoch seconds. Unknown fields are refused
 * everywhere, since a misspelt limit is a limit that does not hold.
 */

const levelSchema = z
  .number()
  .min(0.5)
  .max(0.9999)
  .meta({ description: 'The share of bins whose demand the capacity covers, as 0.99' });
const cron = z
  .string()
  .meta({ description: 'Five fields, in the account’s time zone', examples: ['0 2 * * *'] })
  .superRefine((text, context) => {
    try {
      if (text.trim().split(/\s+/).length !== 5) throw new RangeError('a schedule has five fields');
      new CronPattern(text);
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
      context.addIssue({ code: 'custom', message: `"${text}" is not a schedule: ${why}; write for example 0 2 * * *` });
    }
  });
const share = z.number().min(0).max(1);
const timeZone = z.string().superRefine((zone, context) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    const near = nearest(zone, Intl.supportedValuesOf('timeZone'));
    const meant = near === null ? 'write for example Europe/Berlin or UTC' : `did you mean "${near}"?`;
    context.addIssue({ code: 'custom', message: `is not an IANA time zone; ${meant}` });
  }
});

export const CAPACITY_TYPES = ['reserved', 'on-demand', 'spot'] as const;
/** What becomes of migrations that plans propose. */
export const MIGRATING = ['never', 'propose', 'auto'] as const;
export const MODES = ['observe', 'recommend', 'approve', 'auto'] as const;
export const CRITICALITIES = ['low', 'normal', 'high', 'critical'] as const;

const checkSchema = z.strictObject({
  metric: z
    .string()
    .min(1)
    .describe('latency_p99, error_rate, saturation, or any metric that the telemetry has for the workload'),
  max: z.number().describe('The check fails where the metric, averaged over the bins since the change, is above'),
});

const verificationSchema = z.strictObject({
  for: duration.default(600).describe('How long the checks must hold before a change is kept'),
  every: duration.default(60).describe('How often they are read meanwhile'),
  failAfter: z.int().min(1).max(100).default(2).describe('Failed readings in a row that roll a change back'),
  checks: z.array(checkSchema).default([]),
});

const hookSchema = z.strictObject({
  name,
  url: z.url().describe('POSTed to with the plan’s id and the workload before capacity is needed'),
  ahead: duration.default(600),
  dataSets: dataSetsSchema.optional(),
});

const componentSchema = z
  .strictObject({
    request: quantity.describe('What one replica asks for now, and the default of the grid'),
    grid: z.array(quantity).min(1).max(16).optional().describe('Request sizes that the plan may choose from'),
    level: levelSchema.optional().describe('A level of its own, instead of the workload’s'),
    utilization: z
      .number()
      .gt(0)
      .max(1)
      .default(1)
      .describe('Share of a request that may be used at the level; below 1 keeps room for uneven load'),
  })
  .meta({ id: 'Component' });

const workloadSchema = z
  .strictObject({
    name,
    target: z
      .strictObject({
        kind: z.enum(['Deployment', 'StatefulSet']).default('Deployment'),
        namespace: namespaceName.optional().describe('Default: the account’s namespace'),
        name: name.optional().describe('Default: the workload’s name'),
        selector: labelsSchema
          .optional()
          .describe('Instead of a name: the one object with these labels; none or several are said so, and left alone'),
      })
      .refine((target) => target.name === undefined || target.selector === undefined, {
        message: 'name and selector are two ways to say which object it is: give one of them',
        path: ['selector'],
      })
      .prefault({}),
    criticality: z.enum(CRITICALITIES).default('normal'),
    components: z.partialRecord(component, componentSchema),
    replicas: z.strictObject({
      min: z.int().min(0),
      max: z.int().min(0),
      stepUp: z.int().min(1).optional().describe('At most so many more replicas in one change'),
      stepDown: z.int().min(1).optional().describe('At most so many fewer replicas in one change'),
    }),
    level: levelSchema.optional().describe('Instead of the account’s'),
    window: duration
      .optional()
      .describe('Ask for the level over a window of this length jointly, instead of for each bin'),
    ownership: z.enum(['floor', 'own']).optional().describe('Instead of the account’s'),
    autoscaler: z
      .strictObject({
        target: z
          .strictObject({
            max: z
              .number()
              .min(0.01)
              .max(1)
              .refine(
                (value) => Math.abs(value * 100 - Math.round(value * 100)) < 1e-9,
                'must be a whole percentage, as 0.85',
              )
              .describe('Share of the CPU request; the target that its user set is the lower bound'),
          })
          .optional()
          .describe(
            'Consent to raise the CPU utilization target of its HPA while the plan covers what the forecast asks for; ' +
              'otherwise it is what its user set',
          ),
      })
      .optional(),
    takeOwnership: z
      .boolean()
      .default(false)
      .describe('Consent to take a field that someone else owns; it is given back with its old value'),
    resize: z
      .enum(['in-place', 'rollout'])
      .optional()
      .describe('How replicas get another size; default: in place, with a rollout where pods or nodes cannot'),
    pools: z.array(name).min(1).optional().describe('Pools that it may run on; default: all'),
    mayMoveTo: z
      .array(name)
      .min(1)
      .optional()
      .describe(
        'Pools that a migration may take it to; default: pools. A migration, which binds it to one pool, keeps them',
      ),
    migration: z
      .strictObject({
        gib: z
          .number()
          .min(0)
          .max(1e9)
          .describe('What is copied once when it moves (volumes, caches), in 2^30 bytes: weighed by egress'),
      })
      .optional(),
    residency: z
      .strictObject({
        providers: z.array(z.string().min(1)).min(1).optional(),
        regions: z.array(z.string().min(1)).min(1).optional(),
      })
      .optional()
      .describe('Where its data may be: pools elsewhere, or that do not say where they are, are not used'),
    antiAffinity: z
      .strictObject({ perNode: z.int().min(1).describe('At most so many of its replicas on one node') })
      .optional(),
    surviveZone: share.lt(1).optional().describe('Instead of the account’s'),
    data: z
      .array(
        z.strictObject({
          at: z.string().min(1).describe('Where data are that it reads: a provider, or provider/region'),
          gibPerReplicaHour: z.number().min(0).max(1e9).describe('What one replica moves in an hour, in 2^30 bytes'),
        }),
      )
      .max(64)
      .optional(),
    leadTime: duration.default(120).describe('First guess of the time from a change to ready replicas; measured later'),
    verification: verificationSchema.optional().describe('Instead of the account’s'),
    prefetch: z.array(hookSchema).default([]),
    prestage: z.array(hookSchema).default([]),
    prepull: prepullSchema.optional(),
    warmUp: z.array(warmUpSchema).max(16).optional(),
  })
  .meta({ id: 'Workload' });

const poolSchema = z
  .strictObject({
    name,
    capacityType: z.enum(CAPACITY_TYPES).default('on-demand'),
    pricePerHour: z.number().min(0).max(1e6).describe('Of one node, in the account’s currency'),
    node: resources.describe('What one node offers to workloads'),
    size: z.enum(['fixed', 'variable']).default('variable'),
    min: z.int().min(0).default(0),
    max: z.int().min(0).default(1000),
    provider: z.string().min(1).optional(),
    region: z.string().min(1).optional(),
    zone: z.string().min(1).optional(),
    nodeSelector: labelsSchema
      .optional()
      .describe(
        'Labels that its nodes carry; default: headroom.dev/pool or karpenter.sh/nodepool with the pool’s name',
      ),
    leadTime: duration.default(180).describe('First guess of the time to a ready node; measured later'),
    interruptionsPerHour: z.number().min(0).default(0).describe('Expected interruptions of one spot node in an hour'),
    priceVolatility: z
      .number()
      .min(0)
      .max(100)
      .optional()
      .describe('Standard deviation of its price over a day, as a share of it: weighed by weights.priceRisk'),
    provisioning: provisioningSchema.optional(),
  })
  .meta({ id: 'Pool' });

const taskSchema = z
  .strictObject({
    name,
    workload: name,
    cron,
    duration,
    demand: resources,
    earlier: duration.default(0).describe('How far it may be moved forward'),
    later: duration.default(0).describe('How far it may be put off'),
    target: taskTargetSchema
      .optional()
      .describe('The CronJob that runs it; without one its moves are shown in plans and not carried out'),
  })
  .meta({ id: 'Task' });

const eventSchema = z
  .strictObject({
    name,
    from: time,
    to: time,
    workloads: z.array(name).optional(),
    multiplier: z.number().min(0).max(1000).optional().describe('Expected demand as a multiple of the forecast'),
    components: z
      .array(component)
      .min(1)
      .optional()
      .describe('What the multiplier reaches: cpu, io and network where absent'),
    demand: resources.optional().describe('Expected demand, absolute'),
    uncertainty: z.number().min(0).max(5).default(0.2).describe('Relative half-width of a 90 % interval'),
  })
  .meta({ id: 'Event' });

const blackoutSchema = z
  .strictObject({
    name,
    cron: cron.optional(),
    duration: duration.optional(),
    from: time.optional(),
    to: time.optional(),
    reason: z.string().min(1),
  })
  .meta({ id: 'Blackout' });

export const accountFileSchema = z
  .strictObject({
    version: z.literal('headroom/v1'),
    account: name,
    mode: z.enum(MODES).default('recommend'),
    ownership: z.enum(['floor', 'own']).default('floor'),
    cluster: name.default('main').describe('The cluster that it runs on: names its task queue'),
    namespace: namespaceName
      .optional()
      .describe('Where its workloads are, where their target does not say; default: its name'),
    labels: labelsSchema
      .optional()
      .describe('What each of its objects carries, in namespaces that accounts share: what lacks them is not its own'),
    timeZone: timeZone.default('UTC'),
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code, as EUR')
      .default('USD'),
    cycle: duration.default(300).describe('How often the account goes through its cycle'),
    step: duration.default(300).describe('The grid of its series'),
    history: duration.default(28 * 86_400).describe('How much of the past the models are fitted on'),
    horizons: z
      .array(duration)
      .min(1)
      .default([7200, 86_400, 604_800])
      .describe('How far ahead: up to 2h in steps, beyond that in hours'),
    models: z
      .array(z.enum([...MODEL_NAMES, ...TRAINED_NAMES]))
      .min(1)
      .optional()
      .describe(
        'Models of the forecast at the series’ own step, instead of the default ones. Of trained models all that serve ' +
          'join it (`headroom models list`), or, where any are named here, those alone',
      ),
    level: levelSchema.default(0.99),
    settle: duration.default(15).describe('How long after the end of a bin its telemetry is waited for'),
    staleAfter: duration.default(900).describe('Telemetry older than this is stale: hold, never scale down on it'),
    whenPaused: z.enum(['finish', 'roll-back']).default('finish').describe('What a running change does on a pause'),
    migrations: z
      .enum(MIGRATING)
      .optional()
      .describe(
        'What plans do about cheaper pools: propose (default), never, or, in mode auto, begin them one at a time',
      ),
    approvalWithin: duration.default(3600).describe('An approval that does not come within this is a rejection'),
    hysteresis: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe('A reduction that saves less than this share of the cost is not worth a change'),
    coolDown: duration.default(1800).describe('After a change was rolled back, none is begun for so long'),
    budget: z.strictObject({ perHour: z.number().min(0) }).optional(),
    spotMaxShare: share.default(1).describe('At most this share of a workload’s replicas on spot'),
    spotMarketMaxShare: share
      .optional()
      .describe('At most this share of a workload’s replicas on one spot market: a provider’s zone and pool'),
    surviveZone: share
      .lt(1)
      .optional()
      .describe(
        'Share of a workload’s replicas that is left when any one zone is lost; what is one replica is not split',
      ),
    strategy: z
      .enum(STRATEGIES)
      .optional()
      .describe('A preset of level, hysteresis, spot shares, surviveZone and weights; what the file says itself wins'),
    weights: z
      .strictObject({
        shortfall: z
          .number()
          .min(0.01)
          .max(1000)
          .optional()
          .describe('Of demand that goes unserved; 1: by criticality alone'),
        churn: z.number().min(0).max(1000).optional().describe('Of starting replicas and nodes'),
        priceRisk: z.number().min(0).max(10).optional().describe('Of a price’s volatility, in its standard deviations'),
      })
      .optional(),
    prices: pricesSchema
      .optional()
      .describe('Where prices of pools come from; pricePerHour counts where there are none'),
    egress: z
      .array(z.strictObject({ from: z.string().min(1), to: z.string().min(1), perGiB: z.number().min(0).max(1e6) }))
      .max(4096)
      .optional()
      .describe('Moving 2^30 bytes between providers, or provider/region; a price source’s own comes first'),
    bandwidth: z.array(bandwidthSchema).max(64).optional().describe('Bandwidth that is reserved ahead, link by link'),
    trafficHook: z
      .strictObject({
        url: z
          .url({
            protocol: /^https?$/,
            message: 'is no address; write https://… (http for a network that can be trusted)',
          })
          .describe('POSTed to, signed, to lead traffic between clusters; docs/migration.md has the contract'),
        secretFrom: z
          .string()
          .regex(/^HEADROOM_WEBHOOK_[A-Z0-9_]+$/, 'must name a variable that begins with HEADROOM_WEBHOOK_')
          .describe(
            'The environment variable of the worker that holds the secret; the secret itself stands in no file',
          ),
        timeout: duration.default(10).describe('Seconds that one answer may take'),
      })
      .optional()
      .describe('Who leads traffic over when the account moves to another cluster, where no HTTPRoute does'),
    guaranteedShare: resources.optional().describe('What the account has even where the fleet is silent'),
    workloads: z.array(workloadSchema).min(1).max(5000),
    pools: z.array(poolSchema).min(1),
    reservations: z
      .array(reservationSchema)
      .max(1000)
      .optional()
      .describe(
        'Nodes that are paid anyway: plans fill them first. Of pools that a fleet shares the fleet file says so',
      ),
    tasks: z.array(taskSchema).default([]),
    holidays: z
      .array(z.string().refine(isHoliday, 'is no day; write 2026-12-25, or 12-25 for every year'))
      .max(2000)
      .optional()
      .describe('Local dates, as 2026-12-25, or days of every year, as 12-25: trained models learn what they are like'),
    events: z.array(eventSchema).default([]),
    blackouts: z.array(blackoutSchema).default([]),
    verification: verificationSchema.prefault({}),
  })
  .meta({ id: 'Account', title: 'Headroom account file' });

/** What an operator writes. */
export type AccountFile = z.input<typeof accountFileSchema>;
/** The file with every default filled in and every amount a number. Plain JSON: it travels with the workflow. */
export type AccountPolicy = z.output<typeof accountFileSchema>;
export type WorkloadPolicy = AccountPolicy['workloads'][number];
export type PoolPolicy = AccountPolicy['pools'][number];
export type TaskPolicy = AccountPolicy['tasks'][number];
export type VerificationPolicy = AccountPolicy['verification'];
export type Mode = AccountPolicy['mode'];
