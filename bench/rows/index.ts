/** All benchmarks, in the order of the table. */
import type { Benchmark } from '../benchmark.js'
import { failover } from './failover.js'
import { drain, handoff } from './handoff.js'
import { joinRows } from './join-rows.js'
import { localCall } from './local-call.js'
import { localSend } from './local-send.js'
import { hotLookup, lookup } from './lookup.js'
import { ownerDeath } from './owner-death.js'
import { idle, spawn } from './processes.js'
import { propagation } from './propagation.js'
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
  propagation,
  joinRows(100_000, '100k'),
  joinRows(1_000_000, '1M', 3_000),
  ownerDeath(10_000, '10k', 50),
  ownerDeath(100_000, '100k', 250),
  startChild,
  failover,
  handoff,
  drain,
]
