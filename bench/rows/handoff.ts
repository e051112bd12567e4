/**
 * Children that move between nodes with their state. Erlang has no handoff; beside it stands what
 * one would write: ask the old process for its state, start a child of the other node's supervisor
 * with it, end the old one, 64 at a time. What is sent in between is lost there.
 */
import type { Benchmark, Figure } from '../benchmark.js'

const CHILDREN = 10_000
const OF_ONE_NODE = Math.round(CHILDREN / 3)
const PARALLEL = 64

const rate = (what: string, callsPerSecond: number): Figure => ({
  name: `handoffs to a node that joins, ${what}`,
  unit: '/s',
  ours: ['handoffs', CHILDREN, callsPerSecond],
  erlang: ['hand_over', PARALLEL, OF_ONE_NODE],
  yardstick: 'state, start_child there, terminate_child here',
  goal: 5_000,
})

export const handoff: Benchmark = {
  name: 'handoff',
  ours: { nodes: 3, setup: [['fill_moves', CHILDREN]] },
  erlang: { nodes: 2, setup: [['supervisors']] },
  figures: [rate('quiet', 0), rate('1k calls/s', 1_000)],
}

export const drain: Benchmark = {
  name: 'drain',
  ours: { nodes: 3, setup: [['fill_moves', 0]] },
  erlang: { nodes: 2, setup: [['supervisors']] },
  figures: [
    {
      name: 'drain of 1,000 children',
      unit: 'ms',
      ours: ['drain_moves', 1_000],
      erlang: ['hand_over_ms', PARALLEL, 1_000],
      yardstick: 'state, start_child there, terminate_child here',
    },
  ],
}
