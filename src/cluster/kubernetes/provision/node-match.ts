import type { V1Node, V1NodeSelectorRequirement, V1PodSpec, V1Taint } from '@kubernetes/client-node';

/*
 * On which nodes a pod could run by its selector, its required affinity and its tolerations: what the scheduler asks
 * first. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
 */

export const isOpen = (node: V1Node): boolean =>
  node.spec?.unschedulable !== true &&
  node.metadata?.deletionTimestamp === undefined &&
  (node.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');

export function fits(pod: V1PodSpec | undefined, node: V1Node): boolean {
  const labels = node.metadata?.labels ?? {};
  const selected = Object.entries(pod?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  const terms = pod?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const affine =
    terms === undefined ||
    terms.some(
      ({ matchExpressions = [], matchFields = [] }) =>
        (matchExpressions.length > 0 || matchFields.length > 0) &&
        matchExpressions.every((one) => matches(one, labels[one.key])) &&
        matchFields.every((one) => one.key === 'metadata.name' && matches(one, node.metadata?.name)),
    );
  const repels = ({ effect }: V1Taint): boolean => effect === 'NoSchedule' || effect === 'NoExecute';
  const tolerated = (node.spec?.taints ?? [])
    .filter(repels)
    .every((taint) => (pod?.tolerations ?? []).some((toleration) => tolerates(toleration, taint)));
  return selected && affine && tolerated;
}

function matches({ operator, values = [] }: V1NodeSelectorRequirement, label: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return label !== undefined && values.includes(label);
    case 'NotIn':
      return label === undefined || !values.includes(label);
    case 'Exists':
      return label !== undefined;
    case 'DoesNotExist':
      return label === undefined;
    case 'Gt':
      return label !== undefined && Number(label) > Number(values[0]);
    case 'Lt':
      return label !== undefined && Number(label) < Number(values[0]);
    default:
      return false;
  }
}

type Toleration = NonNullable<V1PodSpec['tolerations']>[number];

function tolerates({ key, operator = 'Equal', value = '', effect }: Toleration, taint: V1Taint): boolean {
  if (effect !== undefined && effect !== '' && effect !== taint.effect) return false;
  if (key === undefined || key === '') return operator === 'Exists';
  return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''));
}
