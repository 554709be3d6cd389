/** How a service answers while it is used. */
export interface ServiceModel {
  /** 99th percentile of the latency of an idle service, seconds. */
  latency: number;
  /** Requests that take longer count as errors, seconds; also the worst latency that is reported. */
  timeout: number;
  /** Share of requests that fail whatever the load. */
  errorRate: number;
}

export interface ServiceState {
  /** Seconds. */
  latencyP99: number;
  /** Share, 0 … 1. */
  errorRate: number;
}

/**
 * Latency and errors of `servers` equal replicas at a utilisation (demand over capacity; above 1 is overload), as an
 * M/M/c queue: a request waits with probability C ≈ ρ^(√(2(c+1))−1) (Sakasegawa 1977, an approximation of Erlang C),
 * and a wait that happens is exponential with rate c(1−ρ)/S, S the mean service time. So the wait that 1 % exceed is
 * S·ln(100·C) / (c(1−ρ)). What waits beyond the timeout, and above ρ = 1 the share that cannot be served at all, fails.
 */
export function serve(model: ServiceModel, servers: number, utilisation: number): ServiceState {
  const fail = (share: number) => Math.min(1, model.errorRate + share * (1 - model.errorRate));
  if (servers <= 0) return { latencyP99: model.timeout, errorRate: fail(1) };
  // The latency of an idle service is that of an exponential service time: P(S > t) = 0.01 at t = S·ln 100.
  const mean = model.latency / Math.log(100);
  const load = Math.max(0, utilisation);
  if (load >= 1) return { latencyP99: model.timeout, errorRate: fail(1 - 1 / load + lateShare(1)) };
  const waiting = load ** (Math.sqrt(2 * (servers + 1)) - 1);
  const drain = (servers * (1 - load)) / mean;
  const wait = Math.max(0, Math.log(100 * waiting)) / drain;
  return {
    latencyP99: Math.min(model.timeout, model.latency + wait),
    errorRate: fail(lateShare(waiting * Math.exp(-drain * model.timeout))),
  };
}

/** Late requests fail; at the very edge of overload the queue has no steady state: half of what is late is lost. */
const lateShare = (late: number): number => 0.5 * Math.min(1, late);
