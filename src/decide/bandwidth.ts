import { checkReservations, expectedForecast, planBandwidth } from '../allocate/index.js';
import type { AccountPolicy } from '../domain/account.js';
import type { PlannedBandwidth } from '../domain/bandwidth.js';
import type { AccountForecast, SeriesForecast } from '../domain/forecast.js';
import type { Plan } from '../domain/plan.js';
import type { AllocationRequest } from './port.js';

/*
 * Bandwidth to reserve ahead, beside the plan that it belongs to: nothing of the nodes depends on it, and it has what the
 * budget leaves when they are paid.
 */

/** @param forecast under what the evidence lets one believe, announced events not yet in it. */
export function withBandwidth(plan: Plan, request: AllocationRequest, forecast: AccountForecast | null): Plan {
  const { policy, events, at } = request;
  if (policy.bandwidth === undefined || policy.bandwidth.length === 0) return plan;
  const series = forecast === null ? [] : expectedSeries(forecast, policy, events);
  const { bandwidth, reasons } = planBandwidth({
    ...{ policy, at, series, nodes: plan.blocks },
    distrust: (workload) => distrustOf(request, forecast, workload),
  });
  const reserved = { ...plan, bandwidth, reasons: [...plan.reasons, ...reasons] };
  const wrong = checkReservations({ policy, at, traffic: trafficIn(series) }, reserved);
  if (wrong.length === 0) return reserved;
  // A mistake of the optimizer: nobody is to pay for it, and the plan says so.
  const why = `what was decided does not keep its limits (${wrong[0]?.words ?? ''}); please report it with headroom plan --json`;
  return { ...plan, bandwidth: bandwidth.map((one): PlannedBandwidth => ({ ...one, undecided: why, blocks: [] })) };
}

function expectedSeries(
  forecast: AccountForecast,
  policy: AccountPolicy,
  events: AllocationRequest['events'],
): SeriesForecast[] {
  const own = forecast.series.filter(({ component }) => component === 'network');
  return expectedForecast({ ...forecast, series: own }, policy, events).series;
}

/** Money is not spent on a forecast that is not to be acted on. */
function distrustOf(request: AllocationRequest, forecast: AccountForecast | null, workload: string): string | null {
  if (forecast === null) return 'there is no forecast';
  if (request.raiseOnly.includes(workload)) return 'its telemetry is stale or missing';
  const series = forecast.series.find((one) => one.workload === workload && one.component === 'network');
  if (series === undefined) return 'there is no forecast of network';
  if (series.data === 'cold') return 'too little is known of its network for more than a wide guess';
  if (!series.gate.open) return `the gate of its network is closed: ${series.gate.reason ?? 'its coverage is off'}`;
  return null;
}

const trafficIn = (series: readonly SeriesForecast[]) =>
  series.map(({ workload, resolutions }) => ({
    workload,
    resolutions: resolutions.map(({ origin, step, levels, quantiles }) =>
      quantiles.map((values, bin) => {
        const from = origin + (bin + 1) * step;
        return { from, to: from + step, levels, values };
      }),
    ),
  }));
