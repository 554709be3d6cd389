import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

/** Headroom's search attributes; src/temporal/namespace.ts registers them. Read by the CLI, too. */
export const ATTRIBUTES = {
  account: defineSearchAttributeKey('HeadroomAccount', SearchAttributeType.KEYWORD),
  phase: defineSearchAttributeKey('HeadroomPhase', SearchAttributeType.KEYWORD),
  mode: defineSearchAttributeKey('HeadroomMode', SearchAttributeType.KEYWORD),
  paused: defineSearchAttributeKey('HeadroomPaused', SearchAttributeType.BOOL),
  coverage: defineSearchAttributeKey('HeadroomCoverage', SearchAttributeType.DOUBLE),
  costPerHour: defineSearchAttributeKey('HeadroomCostPerHour', SearchAttributeType.DOUBLE),
} as const;
