import { timingSafeEqual } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { z } from 'zod';
import { HeadroomError, isHeadroomError } from '../../domain/errors.js';
import type { Simulation } from './adapter.js';
import { faultSchema } from './faults.js';
import { amount, seconds, time } from './fields.js';
import {
  HTTP_STATUS,
  moveRequestSchema,
  moveWriteSchema,
  mutationSchema,
  observeSchema,
  restoreSchema,
  toWire,
} from './wire.js';

const timelineSchema = z.strictObject({
  from: time.optional(),
  to: time.optional(),
  step: seconds.refine((value) => value >= 60 && value % 60 === 0, 'must be whole minutes'),
});

const badRequest = (path: string, problem: string) =>
  new HeadroomError({
    kind: 'invalid-input',
    component: 'cluster/simulated',
    action: `reading a request to ${path}`,
    problem,
    remedy: 'send what the named field needs',
  });

function parse<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw badRequest(path, result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
}

/** The simulated cluster over HTTP: one endpoint a call of {@link Simulation}, behind a bearer token. */
export function createSimulationHttp(options: { simulation: Simulation; token: string; shutdown: () => void }): Hono {
  const { simulation, token, shutdown } = options;
  const app = new Hono();
  const expected = Buffer.from(`Bearer ${token}`);

  app.use(async (context, next) => {
    const given = Buffer.from(context.req.header('authorization') ?? '');
    if (given.length === expected.length && timingSafeEqual(given, expected)) return next();
    const error = new HeadroomError({
      kind: 'refused',
      component: 'cluster/simulated',
      action: `answering ${context.req.path}`,
      problem: 'the bearer token is missing or wrong',
      remedy: 'send the token that the simulator printed when it started',
    });
    return context.json({ error: toWire(error) }, 401);
  });

  app.onError((error, context) => {
    const known = isHeadroomError(error)
      ? error
      : new HeadroomError({
          kind: 'unavailable',
          component: 'cluster/simulated',
          action: `answering ${context.req.path}`,
          problem: error.message,
          remedy: 'look at the simulator’s standard error',
          cause: error,
        });
    // A caller that hung up is nothing to report; what nobody foresaw is.
    if (!isHeadroomError(error) && !context.req.raw.signal.aborted) console.error(error);
    return context.json({ error: toWire(known) }, HTTP_STATUS[known.kind]);
  });

  const body = async <T>(context: Context, schema: z.ZodType<T>): Promise<T> => {
    const value: unknown = await context.req.json().catch(() => {
      throw badRequest(context.req.path, 'the body is not JSON');
    });
    return parse(schema, value, context.req.path);
  };
  const signalOf = (context: Context) => context.req.raw.signal;

  app.post('/v1/observe', async (context) =>
    context.json(await simulation.observe(await body(context, observeSchema), signalOf(context))),
  );
  app.post('/v1/apply', async (context) =>
    context.json(await simulation.apply(await body(context, mutationSchema), null, signalOf(context))),
  );
  app.post('/v1/restore', async (context) =>
    context.json(await simulation.restore(await body(context, restoreSchema), null, signalOf(context))),
  );
  const { migrating } = simulation;
  app.post('/v1/migration/survey', async (context) =>
    context.json(await migrating.survey(await body(context, moveRequestSchema), signalOf(context))),
  );
  const moveSchema = z.strictObject({ request: moveRequestSchema, write: moveWriteSchema });
  app.post('/v1/migration/write', async (context) => {
    const { request, write } = await body(context, moveSchema);
    return context.json(await migrating.write(request, write, signalOf(context)));
  });
  app.post('/v1/migration/look', async (context) =>
    context.json(await migrating.look(await body(context, moveRequestSchema), signalOf(context))),
  );
  app.get('/v1/migration/log', async (context) => {
    const { id } = parse(z.strictObject({ id: z.string() }), context.req.query(), context.req.path);
    return context.json(await simulation.requestLog(id));
  });
  app.get('/v1/samples', async (context) => {
    const { since } = parse(z.strictObject({ since: time }), context.req.query(), context.req.path);
    return context.json(await simulation.samplesSince(since, signalOf(context)));
  });
  app.get('/v1/preparations', async (context) =>
    context.json(await simulation.preparations(context.req.query('account') ?? '')),
  );
  app.get('/v1/timeline', async (context) =>
    context.json(await simulation.timeline(parse(timelineSchema, numeric(context.req.query()), context.req.path))),
  );
  app.get('/v1/clock', async (context) =>
    context.json({
      ...{ name: simulation.name, clusters: simulation.clusters },
      ...{ now: await simulation.now(), scale: await simulation.scale() },
    }),
  );
  app.post('/v1/clock/run', async (context) => {
    const { factor } = await body(context, z.strictObject({ factor: z.number().gt(0) }));
    return context.json(await simulation.run(factor));
  });
  app.post('/v1/clock/advance', async (context) => {
    const { to } = await body(context, z.strictObject({ to: amount }));
    await simulation.advance(to);
    return context.json({ now: await simulation.now() });
  });
  app.post('/v1/faults', async (context) => {
    await simulation.inject(await body(context, faultSchema));
    return context.json({});
  });
  app.post('/v1/shutdown', (context) => {
    // After the answer is out.
    setImmediate(shutdown);
    return context.json({});
  });
  return app;
}

/** Query strings carry durations as `5m` or as bare seconds. */
const numeric = (query: Record<string, string>): Record<string, string | number> =>
  Object.fromEntries(Object.entries(query).map(([key, value]) => [key, /^\d+$/.test(value) ? Number(value) : value]));
