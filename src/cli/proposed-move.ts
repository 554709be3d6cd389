import { planQuery, policyQuery } from '../../workflows/messages.js';
import { proposalWords } from '../domain/migration-proposal.js';
import type { Plan } from '../domain/plan.js';
import { CommandFailure, EXIT } from './command.js';
import { namedWorkload } from './named.js';
import type { Session } from './session.js';

/** What the newest plan proposes. @throws CommandFailure not found where it proposes none, refused with why it cannot. */
export async function proposedMove(
  session: Session,
  account: string,
  workload: string | undefined,
): Promise<{ workload: string; to: string; words: string }> {
  const running = session.account(account);
  const summary = await running.query(planQuery);
  if (workload !== undefined) namedWorkload((await running.query(policyQuery)).policy, workload);
  const record = summary === null ? null : ((await session.store?.getRecord('plan', summary.id)) ?? null);
  const plan = record === null ? null : (record.body as Plan);
  const of = (plan?.migrations ?? []).filter((one) => workload === undefined || one.workload === workload);
  const best = of.find(({ refusals }) => refusals.length === 0);
  if (best !== undefined) {
    const { workload: name, to } = best;
    return { workload: name, to, words: proposalWords(best, plan?.currency ?? '') };
  }
  const [refused] = of;
  if (refused !== undefined) {
    const what = `${refused.workload} from pool ${refused.from} to ${refused.to}`;
    throw new CommandFailure(EXIT.refused, `${what}: ${refused.refusals.join('; ')}`);
  }
  // In the store of another process there are only words: the summary has those.
  const short = summary?.moves?.find((one) => workload === undefined || one.workload === workload);
  if (short !== undefined) return { workload: short.workload, to: short.to, words: short.words };
  throw new CommandFailure(
    EXIT.notFound,
    `the plan of ${account} proposes no migration${workload === undefined ? '' : ` of ${workload}`}; \`headroom plan ${account}\` shows it, and --to names a pool by hand`,
  );
}
