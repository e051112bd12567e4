/** Fresh keys, unique in a cluster of three OS processes; all callers are on the first. */
import type { Benchmark, Figure } from '../benchmark.js'

const figure = (callers: number, ours: number, erlang: number): Figure => ({
  name: `register on 3 nodes, ${callers} caller${callers === 1 ? '' : 's'}`,
  unit: '/s',
  ours: ['register', callers, ours],
  erlang: ['register', callers, erlang],
  yardstick: 'mnesia:transaction',
  target: callers === 1 ? 1 : 5,
})

export const register: Benchmark = {
  name: 'register',
  ours: { nodes: 3, setup: [['register', 100, 20_000]] },
  erlang: { nodes: 3, setup: [['mnesia'], ['register', 100, 2_000]] },
  figures: [figure(1, 5_000, 2_000), figure(100, 30_000, 5_000)],
}
