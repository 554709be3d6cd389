export { startInflux, type InfluxServer } from './influxdb.js';
export { startPrometheus, type PrometheusServer } from './prometheus.js';
export { startControlPlane, type ControlPlane, type ControlPlaneOptions } from './control-plane.js';
export { freePorts, startProcess, type ServerProcess } from './process.js';
export { filesOf, toolPath } from './locate.js';
export { letGo, watchOver } from './reaper.js';
export { kubectlOn } from './kubectl.js';
export { nodeObject, type NodeSpec } from './nodes.js';
export { startWorker, type WorkerProcess } from './worker.js';
