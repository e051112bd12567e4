/** All benchmarks, in the order of the table. */
import type { Benchmark } from '../benchmark.js'
import { failover } from './failover.js'
import { drain, handoff } from './handoff.js'
import { localCall } from './local-call.js'
import { localSend } from './local-send.js'
import { hotLookup, lookup } from './lookup.js'
import { idle, spawn } from './processes.js'
import { register } from './register.js'
import { remoteCall } from './remote-call.js'
import { remoteSend } from './remote-send.js'
import { startChild } from './start-child.js'

export const benchmarks: readonly Benchmark[] = [
  localSend,
  localCall,
  spawn,
  idle,
  remoteSend,
  remoteCall,
  lookup,
  hotLookup,
  register,
  startChild,
  failover,
  handoff,
  drain,
]
