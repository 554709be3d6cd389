import { parse } from 'yaml';
import { withFleetPrices, withPrices } from '../../allocate/index.js';
import { createPrices } from '../../prices/kept.js';
import { unknownPools } from '../../prices/unknown.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand } from '../command.js';
import { createTable } from '../table.js';
import { readPolicyFile } from './start.js';
import { readFleet } from './fleet.js';
import type { AccountPolicy } from '../../domain/account.js';
import type { FleetPolicy } from '../../domain/fleet.js';
import { readNamedFile } from '../read-file.js';

/** Which of the two a file is, its own name tells; what is wrong with it the reader of that one says. */
async function readEither(path: string): Promise<AccountPolicy | FleetPolicy> {
  const text = await readNamedFile(path, 'name an account file or a fleet file; examples/shop.yaml is one');
  return namesFleet(text) ? readFleet(path) : readPolicyFile(path);
}

function namesFleet(text: string): boolean {
  try {
    const root: unknown = parse(text);
    return typeof root === 'object' && root !== null && 'fleet' in root;
  } catch {
    return false;
  }
}

/** `headroom prices`: what each pool of an account file costs now, read as the worker reads it; nothing need run. */
export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('prices')
      .description(
        'what each pool of an account or fleet file costs now, and who says so; exit code 1: its source cannot be used',
      )
      .requiredOption('-f, --file <file>', 'the account file, or the fleet file')
      .option('--json', 'for machines')
      .action(async (options: { file: string; json?: boolean }) => {
        const policy = await readEither(options.file);
        const known = (await createPrices({ env: terminal.env, now: () => Date.now() / 1000 }).of(policy)) ?? {
          book: null,
          problem: `the ${'fleet' in policy ? 'fleet' : 'account'} file names no source of prices`,
        };
        const notes =
          known.book === null
            ? []
            : unknownPools(known.book, {
                owner: 'fleet' in policy ? policy.fleet : policy.account,
                pools: policy.pools,
              });
        // Said once, below, and not in every row.
        const failed =
          policy.prices !== undefined && known.book === null ? (known.problem ?? 'there are no prices') : null;
        const { used, policy: priced } = 'fleet' in policy ? withFleetPrices(policy, known) : withPrices(policy, known);
        const egress = 'fleet' in priced ? [] : (priced.egress ?? []);
        if (options.json === true) {
          printJson(terminal, { pools: used, egress, problem: known.problem, notes });
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
    'prices -f examples/fleet.yaml',
  );
};
