import type { Mode } from './account.js';

/**
 * Why an account’s mode keeps a person’s order from touching anything, with what to do about it; null where it does not.
 * `observe` and `recommend` touch nothing, whoever asks; under `approve` the order itself is the approval.
 * @param order what was ordered, in words: `a migration`.
 */
export function modeProblem({ account, mode }: { account: string; mode: Mode }, order: string): string | null {
  switch (mode) {
    case 'observe':
    case 'recommend':
      return `account ${account} is in mode ${mode}, which touches nothing: set \`mode: approve\` or \`mode: auto\` in its file and \`headroom policy set ${account} -f FILE\`, then order ${order} again`;
    case 'approve':
    case 'auto':
      return null;
  }
}
