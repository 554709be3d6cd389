import { z } from 'zod';
import type { AccountPolicy } from '../src/domain/account.js';
import { HeadroomError } from '../src/domain/errors.js';
import type { MigrationOrder, MoveResult } from '../src/domain/migration.js';
import type { Migrating, MoveLook, MoveRequest } from '../src/cluster/migrating.js';
import { SIGNATURE_HEADER, signatureOf, TIMESTAMP_HEADER } from '../src/cluster/webhook/sign.js';

/*
 * Traffic between two clusters that somebody else leads: a load balancer, a DNS service, a mesh. The account file names one
 * address; each request is signed (src/cluster/webhook/sign.ts) and safe to repeat. docs/migration.md has the contract.
 */

const answerSchema = z.object({ weight: z.number().min(0).max(100) });
const MOST_WORDS = 200;

/** The traffic side of a move, over the hook of the account file. Without one the survey refuses. */
export function createTrafficHook(
  policy: AccountPolicy,
  order: MigrationOrder,
  env: NodeJS.ProcessEnv = {},
): Migrating {
  const { trafficHook: hook } = policy;
  const { cross } = order;

  const failure = (kind: HeadroomError['kind'], problem: string, remedy: string, cause?: unknown): HeadroomError =>
    new HeadroomError({
      ...{
        kind,
        component: 'activities/traffic-hook',
        action: `leading traffic of ${order.account}/${order.workload}`,
      },
      ...{ problem, remedy, cause },
    });

  /** Percent of the traffic on the target by now, as the hook says. @throws HeadroomError `unavailable`. */
  const ask = async (action: 'read' | 'lead', weight: number | null, signal: AbortSignal): Promise<number> => {
    if (hook === undefined) throw failure('refused', 'the account file has no trafficHook', 'name one');
    const secret = env[hook.secretFrom];
    if (secret === undefined || secret === '') {
      throw failure(
        'unavailable',
        `${hook.secretFrom} is not set where this worker runs`,
        'set it to the receiver’s secret',
      );
    }
    const body = JSON.stringify({
      ...{ version: 'headroom/v1', action, key: order.id, account: order.account, workload: order.workload },
      ...{ from: cross?.from, to: cross?.to },
      ...(weight === null ? {} : { weight }),
    });
    const timestamp = String(Math.floor(Date.now() / 1000));
    let text: string;
    try {
      const response = await fetch(hook.url, {
        method: 'POST',
        headers: {
          ...{ 'content-type': 'application/json', 'user-agent': 'headroom' },
          ...(weight === null ? {} : { 'idempotency-key': `${order.id}/${weight}` }),
          [TIMESTAMP_HEADER]: timestamp,
          [SIGNATURE_HEADER]: signatureOf(secret, timestamp, body),
        },
        body,
        // It is one address: where it sends us is nobody that the account file names.
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(hook.timeout * 1000)]),
      });
      text = await response.text();
      if (!response.ok) throw new Error(`it answers ${response.status}: ${text.slice(0, MOST_WORDS)}`);
    } catch (error) {
      signal.throwIfAborted();
      const words =
        error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
      throw failure('unavailable', `${hook.url}: ${words}`, 'see that its receiver is well; repeating is safe', error);
    }
    const answer = answerSchema.safeParse(parsed(text));
    if (answer.success) return answer.data.weight;
    throw failure(
      'unavailable',
      `${hook.url} does not say which weight is in force`,
      'docs/migration.md says what it answers',
    );
  };

  const lead = async (weight: number, from: number | null, signal: AbortSignal): Promise<MoveResult> => {
    const now = await ask('read', null, signal);
    if (now !== weight && from !== null && now !== from) {
      return {
        kind: 'moved',
        detail: `${now}% of the traffic is led to ${cross?.to ?? ''}, not ${from}%: somebody else has changed it`,
      };
    }
    const there = now === weight ? now : await ask('lead', weight, signal);
    return there === weight
      ? { kind: 'done', detail: `${weight}% of the traffic is led to cluster ${cross?.to ?? ''}` }
      : {
          kind: 'moved',
          detail: `${hook?.url ?? 'the hook'} leads ${there}% of the traffic over, not the ${weight}% that were asked for`,
        };
  };

  return {
    async survey(request: MoveRequest, signal) {
      const words = hook === undefined ? 'nobody leads it' : `weights by the hook ${hook.url}`;
      const refusals: string[] = [];
      let now = 0;
      if (hook === undefined) {
        refusals.push(
          'nothing leads traffic between the clusters: give --backend with an HTTPRoute, a trafficHook in the account file, or --no-traffic',
        );
      } else {
        try {
          now = await ask('read', null, signal);
          if (now !== 0)
            refusals.push(
              `${hook.url} leads ${now}% of the traffic to cluster ${cross?.to ?? ''} already; lead it all to ${cross?.from ?? ''} first`,
            );
        } catch (error) {
          signal.throwIfAborted();
          refusals.push(error instanceof Error ? error.message : String(error));
        }
      }
      return {
        refusals,
        source: { words: '', replicas: 0, ready: 0 },
        copy: { words: '', name: request.copy },
        traffic: { kind: 'hook', words, steps: request.steps },
        ...{ images: [], volumes: [], before: '{}' },
        reverse: [`all traffic to cluster ${cross?.from ?? ''}, by the hook`],
      };
    },
    async write(_request, write, signal) {
      switch (write.kind) {
        case 'route':
          return lead(write.weight, write.from, signal);
        case 'unroute':
          return lead(0, null, signal);
        case 'hand-over':
          return lead(100, null, signal);
        default:
          return { kind: 'refused', detail: `a traffic hook does no ${write.kind}` };
      }
    },
    async look(_request, signal): Promise<MoveLook> {
      const weight = await ask('read', null, signal);
      return {
        ...{
          source: null,
          copy: null,
          weight,
          images: null,
          mayTake: 0,
          claim: null,
          made: [],
          running: null,
          counted: null,
        },
      };
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
