import { randomBytes } from 'node:crypto';
import proto from '@temporalio/proto';
import type { federate } from '../../../workflows/federate.js';
import { cellQueue, federateWorkflowId, type FederateInput } from '../../../workflows/federate-messages.js';
import { HeadroomError } from '../../domain/errors.js';
import { binStart, parseDuration } from '../../domain/time.js';
import { CELL_NAME } from '../cell.js';
import {
  argument,
  CommandFailure,
  durationOption,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
} from '../command.js';
import { BASE_LEVELS } from '../../forecast/ensemble.js';
import { positive, whole } from '../numbers.js';
import { withSession, type Session } from '../session.js';

const DAY = 86_400;

interface Options {
  cells: string;
  rounds: number;
  steps: number;
  network: 'gru' | 'tcn';
  clip: number;
  noise: number;
  days: number;
  holdOut: number;
  least?: number;
  seed: number;
  json?: boolean;
}

const networkOf = argument((text: string): 'gru' | 'tcn' => {
  if (text === 'gru' || text === 'tcn') return text;
  throw new RangeError(`"${text}": known are tcn, gru`);
});
/** The means of all rounds wait in the workflow for cells that were away. */
const MOST_ROUNDS = 200;

/** Cells whose queue no worker has looked at in the last minutes. */
async function unserved({ client }: Session, cells: readonly string[]): Promise<string[]> {
  const { namespace } = client.options;
  const served = await Promise.all(
    cells.map(async (cell) => {
      const { pollers } = await client.workflowService.describeTaskQueue({
        ...{ namespace, taskQueue: { name: cellQueue(cell) }, taskQueueType: ACTIVITIES },
      });
      return (pollers ?? []).length > 0;
    }),
  );
  return cells.filter((_, index) => served[index] !== true);
}

const ACTIVITIES = proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY;

const notServed = (cells: readonly string[]): HeadroomError =>
  new HeadroomError({
    ...{ kind: 'unavailable', component: 'cli', action: 'beginning a federation' },
    problem: `no worker serves ${cells.map((cell) => `cell ${cell}`).join(', ')}`,
    remedy: `start \`headroom worker --cell ${cells[0] ?? 'NAME'}\` next to its store, or let --least cells do`,
  });

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('federate')
      .description(
        'train one network over cells whose data stay where they are: noised updates of weights alone travel',
      )
      .requiredOption('--cells <list>', 'their names, as in headroom worker --cell NAME')
      .option('--rounds <n>', 'how often updates are averaged', whole(1, MOST_ROUNDS), 10)
      .option('--steps <n>', 'steps that a cell takes in a round', whole(1, 100_000), 50)
      .option('--network <kind>', 'tcn or gru', networkOf, 'tcn')
      .option('--clip <norm>', 'largest norm of an update', positive(), 3)
      .option(
        '--noise <share>',
        'standard deviation of the noise on each weight, as a share of --clip',
        positive(true),
        0.0005,
      )
      .option('--days <n>', 'of history to train on', whole(1, 3650), 28)
      .addOption(
        durationOption(
          '--hold-out <duration>',
          'at the end of it that nobody trains on',
          argument(parseDuration),
          3 * DAY,
        ),
      )
      .option('--least <n>', 'cells that a round needs (default: all)', whole(1, 1000))
      .option('--seed <n>', 'of the first weights and of what is drawn', whole(0, 2 ** 31 - 1), 1)
      .option('--json', 'for machines')
      .action(async (options: Options) => {
        const cells = [...new Set(options.cells.split(',').filter((cell) => cell !== ''))];
        if (cells.length < 2 || !cells.every((cell) => CELL_NAME.test(cell))) {
          throw new CommandFailure(EXIT.usage, '--cells names two or more, in lower-case letters, digits and "-"');
        }
        const least = options.least ?? cells.length;
        if (least > cells.length) {
          throw new CommandFailure(EXIT.usage, `--least ${least}: there are ${cells.length} cells`);
        }
        const id = `f-${randomBytes(6).toString('hex')}`;
        const result = await withSession(terminal, async (session) => {
          const absent = await unserved(session, cells);
          if (cells.length - absent.length < least) throw notServed(absent);
          for (const cell of absent) terminal.err(`no worker serves cell ${cell}: it is left out until one does`);
          const input: FederateInput = {
            plan: {
              id,
              network: options.network,
              settings: {},
              levels: [...BASE_LEVELS],
              horizon: DAY,
              seed: options.seed,
              steps: options.steps,
              clip: options.clip,
              noise: options.noise,
              days: options.days,
              cut: binStart(session.now() - options.holdOut, DAY),
              mostSeries: 500,
            },
            cells,
            rounds: options.rounds,
            leastCells: least,
            answerWithin: 600,
          };
          if (options.json !== true) terminal.err(`federation ${id} over ${cells.join(', ')} begins …`);
          return session.client.workflow.execute<typeof federate>('federate', {
            workflowId: federateWorkflowId(id),
            taskQueue: session.runtime?.queues.light ?? 'headroom',
            staticSummary: `one network over ${cells.join(', ')}`,
            args: [input],
          });
        });
        if (options.json === true) return printJson(terminal, { id, ...result });
        for (const [cell, { id: model, wql }] of Object.entries(result.artifacts)) {
          terminal.out(
            `${cell}: model ${model.slice(0, 12)}, WQL ${wql === null ? '–' : wql.toPrecision(4)} on its own data`,
          );
        }
        terminal.out('in each cell: headroom models promote MODEL');
      }),
    'federate --cells eu-1,us-1,ap-1,sa-1',
    'federate --cells eu-1,us-1,ap-1 --rounds 20 --noise 0.001 --least 2',
  );
};
