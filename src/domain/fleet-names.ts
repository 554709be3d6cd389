/**
 * Whose records the fleet's own are, and whose changes those of its pools. No account can have such a name, and a label
 * of Kubernetes can.
 */
export const FLEET_ACCOUNT = 'fleet_main';
