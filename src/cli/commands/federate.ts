import { randomBytes } from 'node:crypto';
import type { federate } from '../../../workflows/federate.js';
import { federateWorkflowId, type FederateInput } from '../../../workflows/federate-messages.js';
import { binStart, parseDuration } from '../../domain/time.js';
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
import { numberOf, withSession } from '../session.js';

const DAY = 86_400;

interface Options {
  cells: string;
  rounds: string;
  steps: string;
  network: string;
  clip: string;
  noise: string;
  days: string;
  holdOut: number;
  least?: string;
  seed: string;
  json?: boolean;
}

const networkOf = (text: string): 'gru' | 'tcn' => {
  if (text === 'gru' || text === 'tcn') return text;
  throw new CommandFailure(EXIT.usage, `--network ${text}: known are tcn, gru`);
};

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('federate')
      .description(
        'train one network over cells whose data stay where they are: noised updates of weights alone travel',
      )
      .requiredOption('--cells <list>', 'their names, as in headroom worker --cell NAME')
      .option('--rounds <n>', 'how often updates are averaged', '10')
      .option('--steps <n>', 'steps that a cell takes in a round', '50')
      .option('--network <kind>', 'tcn or gru', 'tcn')
      .option('--clip <norm>', 'largest norm of an update', '3')
      .option('--noise <share>', 'standard deviation of the noise on each weight, as a share of --clip', '0.0005')
      .option('--days <n>', 'of history to train on', '28')
      .addOption(
        durationOption(
          '--hold-out <duration>',
          'at the end of it that nobody trains on',
          argument(parseDuration),
          3 * DAY,
        ),
      )
      .option('--least <n>', 'cells that a round needs (default: all)')
      .option('--seed <n>', 'of the first weights and of what is drawn', '1')
      .option('--json', 'for machines')
      .action(async (options: Options) => {
        const cells = options.cells.split(',').filter((cell) => cell !== '');
        const wrong = cells.find((cell) => !/^[a-z0-9][a-z0-9-]*$/.test(cell));
        if (cells.length < 2 || wrong !== undefined) {
          throw new CommandFailure(EXIT.usage, '--cells names two or more, in lower-case letters, digits and "-"');
        }
        const id = `f-${randomBytes(6).toString('hex')}`;
        const result = await withSession(terminal, async (session) => {
          const input: FederateInput = {
            plan: {
              id,
              network: networkOf(options.network),
              settings: {},
              levels: [...BASE_LEVELS],
              horizon: DAY,
              seed: numberOf(options.seed, '--seed'),
              steps: numberOf(options.steps, '--steps'),
              clip: numberOf(options.clip, '--clip'),
              noise: numberOf(options.noise, '--noise'),
              days: numberOf(options.days, '--days'),
              cut: binStart(session.now() - options.holdOut, DAY),
              mostSeries: 500,
            },
            cells,
            rounds: numberOf(options.rounds, '--rounds'),
            leastCells: options.least === undefined ? cells.length : numberOf(options.least, '--least'),
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
