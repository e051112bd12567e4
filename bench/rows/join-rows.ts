/**
 * A fresh node comes to two that hold many names, half of them each: the time from dialling the
 * first until it has them all, and how long event loops stood still meanwhile. Beside it, a fresh
 * node gets a copy of a Mnesia table of as many rows; what Erlang's schedulers do not stop for.
 */
import type { Benchmark, Figure } from '../benchmark.js'

const ROUNDS_MAX = 3

export const joinRows = (rows: number, short: string, goal?: number): Benchmark => {
  const stall = (who: 'old' | 'new', by: 'wall' | 'cpu', goal?: number): Figure => ({
    name: `same, longest stall, ${who === 'old' ? 'old nodes' : 'new node'}, ${by === 'wall' ? 'wall clock' : 'processor'}`,
    unit: 'ms',
    ours: ['join_stall', who, by],
    goal,
  })
  return {
    name: `join-${short.toLowerCase()}`,
    ours: {
      nodes: 2,
      alone: [['fill_own', rows / 2]],
      setupEach: [['see_rows', rows], ['watch_stalls']],
    },
    erlang: { nodes: 2, setup: [['mnesia'], ['fill', rows]] },
    together: 'newcomer',
    figures: [
      {
        name: `fresh node has all of ${short} rows`,
        unit: 'ms',
        ours: ['join_rows', 'n1@127.0.0.1', rows],
        erlang: ['join_rows', 'e1@127.0.0.1', rows],
        yardstick: 'mnesia:add_table_copy',
        goal,
        roundsMax: ROUNDS_MAX,
      },
      { name: 'same, processor time of the new node', unit: 'ms', ours: ['join_used'] },
      stall('old', 'wall'),
      stall('old', 'cpu', 50),
      stall('new', 'wall'),
      stall('new', 'cpu', 50),
    ],
  }
}
