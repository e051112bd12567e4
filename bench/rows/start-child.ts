/**
 * Children of a distributed supervisor over three OS processes, started from the first. Erlang has
 * no such thing: its column is a plain local supervisor on each node, picked by hash, without
 * unique ids, without a replica of the specs, and nothing is restarted when a node dies.
 */
import type { Benchmark, Command, Figure } from '../benchmark.js'

const figure = (callers: number, total: number, goal: number): Figure => ({
  name: `startChild on 3 nodes, ${callers} caller${callers === 1 ? '' : 's'}`,
  unit: '/s',
  ours: ['start_child', callers, total],
  erlang: ['start_child', callers, total],
  yardstick: 'supervisor:start_child on the node of a hash',
  goal,
})

/** Until compiled code is in use everywhere: a start goes through more of it than anything else. */
const warmUp: Command = ['start_child', 100, 20_000]

export const startChild: Benchmark = {
  name: 'start-child',
  ours: { nodes: 3, setupEach: [['join']], setup: [['supervisors'], warmUp] },
  erlang: { nodes: 3, setup: [['supervisors'], warmUp] },
  figures: [figure(1, 3_000, 8_500), figure(100, 20_000, 30_000)],
}
