/**
 * One of three nodes, which owns many names, each of a process of its own, gets SIGKILL: the time
 * until neither survivor has any of them, and how long their event loops stood still. Beside it
 * Mnesia, where a survivor that hears of the death deletes the dead node's rows one by one.
 */
import type { Benchmark, Figure } from '../benchmark.js'

const ROUNDS_MAX = 3

export const ownerDeath = (names: number, short: string, goal: number): Benchmark => {
  const stall = (by: 'wall' | 'cpu', goal?: number): Figure => ({
    name: `same, longest stall, ${by === 'wall' ? 'wall clock' : 'processor'}`,
    unit: 'ms',
    ours: ['kill_told', by],
    goal,
  })
  return {
    name: `kill-${short.toLowerCase()}`,
    ours: { nodes: 3, setupEach: [['watch_stalls']] },
    erlang: { nodes: 3, setup: [['mnesia'], ['watch_nodes']] },
    together: 'new-both',
    figures: [
      {
        name: `kill -9 of the owner of ${short} names`,
        unit: 'ms',
        ours: ['kill_owner', names],
        erlang: ['kill_owner', names],
        yardstick: 'mnesia_down, then mnesia:dirty_delete of each',
        goal,
        roundsMax: ROUNDS_MAX,
      },
      {
        name: 'same, no look-up finds any of them',
        unit: 'ms',
        ours: ['kill_told', 'hidden'],
      },
      stall('wall'),
      stall('cpu', 20),
    ],
  }
}
