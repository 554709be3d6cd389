import { withPrices } from '../../allocate/index.js';
import { createPrices } from '../../prices/kept.js';
import { unknownPools } from '../../prices/unknown.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand } from '../command.js';
import { createTable } from '../table.js';
import { readPolicyFile } from './start.js';

/** `headroom prices`: what each pool of an account file costs now, read as the worker reads it; nothing need run. */
export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('prices')
      .description(
        'what each pool of an account file costs now, and who says so; exit code 1: its source cannot be used',
      )
      .requiredOption('-f, --file <file>', 'the account file')
      .option('--json', 'for machines')
      .action(async (options: { file: string; json?: boolean }) => {
        const policy = await readPolicyFile(options.file);
        const known = (await createPrices({ env: terminal.env, now: () => Date.now() / 1000 }).of(policy)) ?? {
          book: null,
          problem: 'the account file names no source of prices',
        };
        const notes = known.book === null ? [] : unknownPools(known.book, policy);
        // Said once, below, and not in every row.
        const failed =
          policy.prices !== undefined && known.book === null ? (known.problem ?? 'there are no prices') : null;
        const { used, policy: priced } = withPrices(policy, known);
        if (options.json === true) {
          printJson(terminal, { pools: used, egress: priced.egress ?? [], problem: known.problem, notes });
        } else {
          const table = createTable(['pool', 'type', 'per hour', 'interruptions/h', 'price']);
          for (const [index, one] of used.entries()) {
            const pool = priced.pools[index];
            const price = Number(one.pricePerHour.toPrecision(6));
            table.push([
              one.pool,
              pool?.capacityType ?? '',
              `${price} ${policy.currency}`,
              String(one.interruptionsPerHour),
              failed === null ? one.words : one.words.replace(`: ${failed}`, ''),
            ]);
          }
          terminal.out(table.toString());
          for (const note of notes) terminal.err(`note: ${note}`);
        }
        if (failed !== null) throw new CommandFailure(EXIT.failed, failed);
      }),
    'prices -f examples/shop.yaml',
    'prices -f examples/shop.yaml --json',
  );
};
