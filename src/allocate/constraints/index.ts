import { antiAffinity } from './anti-affinity.js';
import { blackout } from './blackout.js';
import { budget } from './budget.js';
import { churn } from './churn.js';
import type { Constraint } from './constraint.js';
import { demand } from './demand.js';
import { disruption } from './disruption.js';
import { grant } from './grant.js';
import { held } from './held.js';
import { leadTime } from './lead-time.js';
import { missingData } from './missing-data.js';
import { overrides } from './overrides.js';
import { poolFit } from './pool-fit.js';
import { poolSize } from './pool-size.js';
import { quota } from './quota.js';
import { replicaLimits } from './replica-limits.js';
import { residency } from './residency.js';
import { spotMarkets } from './spot-markets.js';
import { spotShare } from './spot-share.js';
import { stepLimits } from './step-limits.js';
import { tasks } from './tasks.js';
import { wholeNumbers } from './whole-numbers.js';
import { zones } from './zones.js';

/** All of them, in the order in which their rows stand in the model. */
export const CONSTRAINTS: readonly Constraint[] = [
  demand,
  replicaLimits,
  missingData,
  disruption,
  overrides,
  stepLimits,
  poolFit,
  poolSize,
  leadTime,
  held,
  budget,
  spotShare,
  spotMarkets,
  zones,
  antiAffinity,
  residency,
  grant,
  quota,
  blackout,
  tasks,
  churn,
  wholeNumbers,
];
