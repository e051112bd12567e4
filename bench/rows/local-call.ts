/** Calls of one server within a node; each caller waits for its answer before it asks again. */
import type { Benchmark, Figure } from '../benchmark.js'

const figure = (callers: number): Figure => ({
  name: `local call, ${callers} caller${callers === 1 ? '' : 's'}`,
  unit: '/s',
  ours: ['local_call', callers, 500_000],
  erlang: ['local_call', callers, 200_000],
  yardstick: 'gen_server:call',
  target: 2,
})

export const localCall: Benchmark = {
  name: 'local-call',
  ours: { nodes: 1 },
  erlang: { nodes: 1 },
  figures: [figure(1), figure(100)],
}
