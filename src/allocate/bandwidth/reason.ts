import { MIB } from '../../domain/bandwidth.js';
import type { NumberReason } from '../../domain/plan.js';
import { isoTime } from '../../domain/time.js';
import type { DecidedBlock } from './index.js';
import { costOf } from './reserve.js';

/** Why the first block that can still be reserved has what it has, and what the next best would cost. */
export function bandwidthReason({ block, link, excess, terms }: DecidedBlock, currency: string): NumberReason {
  const { unit, price, beyondPrice, most } = terms;
  const units = Math.round(block.reserve / unit);
  const metered = link.beyondPerGiB !== undefined;
  const cost = (count: number): number => costOf(excess, terms, count);
  // Of limits the price says what a unit more would be worth; of the price itself, what the last one costs net of its use.
  const gain = beyondPrice * block.busy - price;
  const worth = block.bound === 'price' ? null : -gain;
  const why = metered ? 'paid by use' : 'not carried, weighed by criticality';
  const rejected = [
    { alternative: units === 0 ? null : 0, why: `all of it ${why}` },
    { alternative: units <= 1 ? null : units - 1, why: `more of it ${why}` },
    { alternative: units < most ? units + 1 : null, why: 'the last of it is needed too seldom to pay' },
  ].flatMap(({ alternative, why: words }) =>
    alternative === null
      ? []
      : [
          {
            alternative: alternative === 0 ? 'nothing reserved' : `${rate(alternative * unit)} reserved`,
            why: alternative > units && block.bound === 'budget' ? 'the budget has no more' : words,
            costPerHour: short(cost(alternative) - cost(units)),
          },
        ],
  );
  const level = Math.min(0.9999, Math.max(0.5, metered ? 1 - Math.min(1, price / (beyondPrice || price || 1)) : 0.99));
  return {
    number: `${link.name}.bandwidth`,
    from: block.from,
    to: block.to,
    value: block.reserve,
    unit: 'bytes/s',
    interval: {
      component: 'network',
      level: Number(level.toPrecision(4)),
      lower: excess.quantile(1 - level),
      median: excess.quantile(0.5),
      upper: excess.quantile(level),
    },
    binding: {
      constraint: CONSTRAINTS[block.bound],
      words: `${boundWords({ block, link, excess, terms }, currency)}; to be reserved by ${isoTime(block.by)}`,
      pricePerHour: worth === null ? null : short(worth),
      unit: 'bytes/s',
    },
    rejected: rejected.sort((a, b) => a.costPerHour - b.costPerHour),
  };
}

const CONSTRAINTS = {
  price: 'bandwidth-price',
  level: 'demand',
  maximum: 'bandwidth-maximum',
  budget: 'budget',
} as const satisfies Record<DecidedBlock['block']['bound'], string>;

function boundWords({ block, link, excess, terms }: DecidedBlock, currency: string): string {
  const next = (excess.beyond(block.reserve) - excess.beyond(block.reserve + terms.unit)) / terms.unit;
  const busy = percent(block.busy);
  switch (block.bound) {
    case 'price': {
      const share = terms.beyondPrice > 0 ? Math.min(1, terms.price / terms.beyondPrice) : 1;
      const over =
        block.overBudget === true ? '; the budget is not kept by any reservation, and this one costs least' : '';
      return `the next ${rate(terms.unit)} would be used ${percent(next)} of the time, and ${money(link.pricePerHour)} ${currency} for a MiB/s pays from ${percent(share)} on${over}`;
    }
    case 'level':
      return `demand of ${rate(terms.least)} at its level; nothing gets beyond the reservation`;
    case 'maximum':
      return `at most ${rate(link.max)} can be reserved; more is wanted ${busy} of the time`;
    case 'budget':
      return `what the budget leaves beside the nodes; more is wanted ${busy} of the time`;
  }
}

/** `120 MiB/s` */
export const rate = (bytes: number): string => `${Number((bytes / MIB).toPrecision(4))} MiB/s`;
const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
const money = (amount: number): string => String(Number(amount.toPrecision(4)));
const short = (amount: number): number => Number(amount.toPrecision(6));
