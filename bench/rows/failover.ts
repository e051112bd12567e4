/**
 * One of three nodes is killed, and its third of 10,000 children runs elsewhere: from SIGKILL to the
 * end of `init`, by a clock that all processes share. Beside it stands what Erlang has: a local
 * supervisor whose children, as many as the dead node had, are all killed at once, and that starts
 * them again; there no node is lost, nothing is agreed and the supervisor itself lives on.
 */
import type { Benchmark } from '../benchmark.js'

const CHILDREN = 10_000
const OF_ONE_NODE = Math.round(CHILDREN / 3)

export const failover: Benchmark = {
  name: 'failover',
  ours: { nodes: 3, setupEach: [['join_failover']], setup: [['fill_failover', CHILDREN]] },
  erlang: { nodes: 1, setup: [['fill_restarts', OF_ONE_NODE]] },
  together: 'new-ours',
  figures: [
    {
      name: 'failover of 10k children on 3 nodes, p99',
      unit: 'ms',
      ours: ['failover_p99', CHILDREN],
      erlang: ['restarts_p99', OF_ONE_NODE],
      yardstick: 'a local supervisor restarts as many as were lost',
      goal: 1_000,
    },
    {
      name: 'failover of 10k children on 3 nodes, last',
      unit: 'ms',
      ours: ['failover_last'],
      erlang: ['restarts_last'],
      yardstick: 'a local supervisor restarts as many as were lost',
    },
  ],
}
