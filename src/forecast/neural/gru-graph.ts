import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { Backend } from './backend.js';
import { PATCHES } from './network.js';

/*
 * The recurrent encoder on tensors, with its backward pass written out (back-propagation through time; Werbos 1990). A
 * step costs the dispatch of its operations, not their arithmetic: written out there are
 * a dozen each way, and one product over all steps for each matrix's gradient.
 */

export interface GruWeights {
  inGates: Tensor2D;
  inGatesBias: Tensor2D;
  inCandidate: Tensor2D;
  inCandidateBias: Tensor2D;
  ofGates: Tensor2D;
  ofCandidate: Tensor2D;
  ofCandidateBias: Tensor2D;
}

interface Step {
  before: Tensor2D;
  keep: Tensor2D;
  reset: Tensor2D;
  candidate: Tensor2D;
  recurrent: Tensor2D;
}

/**
 * Runs the encoder within the caller's tidy.
 * @param tokens [PATCHES · batch, inputs], patch by patch.
 * @returns the last state, and what turns the loss's gradient at it into those of the weights, in the order of GruWeights.
 */
export function runGru(
  { tf }: Backend,
  weights: GruWeights,
  tokens: Tensor2D,
): { state: Tensor2D; backward: (atState: Tensor2D) => Tensor2D[] } {
  const rows = tokens.shape[0];
  const batch = rows / PATCHES;
  const units = weights.ofCandidate.shape[0];
  const matMul = (a: Tensor2D, b: Tensor2D, bias: Tensor1D): Tensor2D =>
    tf.reshape(tf.fused.matMul({ a, b, transposeA: false, transposeB: false, bias }), [a.shape[0], b.shape[1]]);
  // WebAssembly wants a bias whose memory was made with one dimension: a reshaped one keeps its two.
  const flat = (bias: Tensor2D): Tensor1D => tf.sum(bias, 0);
  const biasOfCandidate = flat(weights.ofCandidateBias);
  const gatesOfInputs = matMul(tokens, weights.inGates, flat(weights.inGatesBias));
  const candidatesOfInputs = matMul(tokens, weights.inCandidate, flat(weights.inCandidateBias));
  const steps: Step[] = [];
  let state: Tensor2D = tf.zeros([batch, units]);
  for (let p = 0; p < PATCHES; p++) {
    const before = state;
    const gates = tf.sigmoid(
      tf.add<Tensor2D>(tf.slice(gatesOfInputs, [p * batch, 0], [batch, 2 * units]), tf.matMul(before, weights.ofGates)),
    );
    const keep = tf.slice(gates, [0, 0], [batch, units]);
    const reset = tf.slice(gates, [0, units], [batch, units]);
    const recurrent = matMul(before, weights.ofCandidate, biasOfCandidate);
    const candidate = tf.tanh(
      tf.add<Tensor2D>(
        tf.slice(candidatesOfInputs, [p * batch, 0], [batch, units]),
        tf.mul<Tensor2D>(reset, recurrent),
      ),
    );
    state = tf.add<Tensor2D>(candidate, tf.mul<Tensor2D>(keep, tf.sub<Tensor2D>(before, candidate)));
    steps.push({ before, keep, reset, candidate, recurrent });
  }
  const backward = (atState: Tensor2D): Tensor2D[] => {
    const all = (pick: (step: Step) => Tensor2D): Tensor2D => tf.concat(steps.map(pick), 0);
    const [before, keep, reset] = [all((s) => s.before), all((s) => s.keep), all((s) => s.reset)];
    const [candidate, recurrent] = [all((s) => s.candidate), all((s) => s.recurrent)];
    const slope = (gate: Tensor2D): Tensor2D => tf.sub(gate, tf.square(gate));
    // What a gradient at the state is multiplied by on its way to each argument, for all steps at once.
    const toCandidate = tf.mul<Tensor2D>(tf.sub<Tensor2D>(1, keep), tf.sub<Tensor2D>(1, tf.square(candidate)));
    const toKeep = tf.mul<Tensor2D>(tf.sub<Tensor2D>(before, candidate), slope(keep));
    const toReset = tf.mul<Tensor2D>(recurrent, slope(reset));
    const at = (tensor: Tensor2D, p: number): Tensor2D => tf.slice(tensor, [p * batch, 0], [batch, units]);
    const gateParts: Tensor2D[] = [];
    const candidateParts: Tensor2D[] = [];
    const recurrentParts: Tensor2D[] = [];
    let now = atState;
    for (let p = PATCHES - 1; p >= 0; p--) {
      const step = steps[p];
      if (step === undefined) break;
      const ofCandidate = tf.mul<Tensor2D>(now, at(toCandidate, p));
      const ofGates = tf.concat(
        [tf.mul<Tensor2D>(now, at(toKeep, p)), tf.mul<Tensor2D>(ofCandidate, at(toReset, p))],
        1,
      );
      const ofRecurrent = tf.mul<Tensor2D>(ofCandidate, step.reset);
      candidateParts.push(ofCandidate);
      gateParts.push(ofGates);
      recurrentParts.push(ofRecurrent);
      if (p > 0) {
        now = tf.addN<Tensor2D>([
          tf.mul<Tensor2D>(now, step.keep),
          tf.matMul<Tensor2D>(ofGates, weights.ofGates, false, true),
          tf.matMul<Tensor2D>(ofRecurrent, weights.ofCandidate, false, true),
        ]);
      }
    }
    const ofGates = tf.concat(gateParts.reverse(), 0);
    const ofCandidates = tf.concat(candidateParts.reverse(), 0);
    const ofRecurrent = tf.concat(recurrentParts.reverse(), 0);
    const bias = (gradient: Tensor2D): Tensor2D => tf.sum(gradient, 0, true);
    return [
      tf.matMul(tokens, ofGates, true),
      bias(ofGates),
      tf.matMul(tokens, ofCandidates, true),
      bias(ofCandidates),
      tf.matMul(before, ofGates, true),
      tf.matMul(before, ofRecurrent, true),
      bias(ofRecurrent),
    ];
  };
  return { state, backward };
}
