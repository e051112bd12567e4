/** What a kernel is made from, and what it tells about its processes. */
import type { Clock } from '../base/clock.js'
import type { Lease } from '../base/lease.js'
import type { Logger } from '../base/log.js'
import type { Random } from '../base/random.js'
import type { BoundNode } from '../process/bound-node.js'
import type { Process, ProcessStatus } from '../process/process.js'
import type { Pid } from '../term/pid.js'
import type { Router } from './router.js'

export interface KernelOptions {
  name: string
  /** Which start of the node this is; a function when it is known only after a start of the mesh. */
  creation: number | (() => number)
  clock: Clock
  random: Random
  log?: Logger
  /** What processes see as `log`; `log` unless given. */
  userLog?: Logger
  router?: Router
  /** Local messages go through the codec, so that what cannot cross a wire fails at home. */
  strictMessages?: boolean
  /** Messages that a mailbox holds: 100,000 unless set. A full one refuses calls and drops the rest. */
  mailboxMax?: number
  /** Bytes of other nodes that a mailbox holds, as long as they are more than one message: 64 MiB unless set. */
  mailboxMaxBytes?: number | undefined
  /** Who is registered under a key of the cluster's registry. */
  resolveKey?: (key: unknown) => Pid | undefined
  /** Until when processes that own something may act; without one they always may. */
  lease?: Lease
  /** Makes what a process sees of its node. */
  bind?: (process: Process) => BoundNode
  /** Called before mailboxes are served, with the time: where a node notices that it was frozen. */
  beforeRun?: (now: number) => void
}

export interface ProcessInfo {
  readonly pid: Pid
  readonly name: string | undefined
  /** The class, or 'function', or 'root'. */
  readonly kind: string
  readonly mailboxLength: number
  readonly status: ProcessStatus
}
