/** Calls between two OS processes; each caller waits for its answer before it asks again. */
import type { Benchmark, Figure } from '../benchmark.js'

const rate = (callers: number, total: number, target: number): Figure => ({
  name: `remote call, ${callers} caller${callers === 1 ? '' : 's'}`,
  unit: '/s',
  ours: ['remote_call', callers, total],
  erlang: ['remote_call', callers, total],
  yardstick: 'gen_server:call',
  target,
})

const latency: Figure = {
  name: 'remote call, p50, 1 caller',
  unit: 'us',
  ours: ['remote_call_p50', 8_000],
  erlang: ['remote_call_p50', 8_000],
  yardstick: 'gen_server:call',
  target: 1,
}

export const remoteCall: Benchmark = {
  name: 'remote-call',
  ours: { nodes: 2 },
  erlang: { nodes: 2 },
  figures: [latency, rate(1, 8_000, 1), rate(100, 30_000, 2), rate(1_000, 40_000, 3)],
}
