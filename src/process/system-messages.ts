/**
 * Messages that only the runtime makes. They are instances of these classes, which nothing decoded
 * from the wire ever is, so `message instanceof Down` cannot be forged by a peer.
 */
import type { Pid } from '../term/pid.js'
import type { Ref } from '../term/ref.js'
import type { RemoteName } from './signal.js'

/** Something monitored has ended, or was not there. */
export class Down {
  readonly type = 'down'

  constructor(
    readonly ref: Ref,
    /** What was monitored: a name when the monitor was made by name. */
    readonly pid: Pid | RemoteName,
    readonly reason: unknown,
  ) {}
}

/** A linked process ended, or somebody called `exit` on a process that traps exits. */
export class Exit {
  readonly type = 'exit'

  constructor(
    readonly pid: Pid,
    readonly reason: unknown,
  ) {}
}

/** The registry took a key away from this process, which lives on. */
export class KeyLost {
  readonly type = 'key_lost'

  constructor(
    readonly key: unknown,
    /** The new owner. */
    readonly by: Pid,
  ) {}
}

/**
 * All that a node sent to a process before it knew that it has moved lies before this one. Never
 * shown to a process; docs/decisions/0010-handoff.md.
 */
export class Marker {
  constructor(readonly node: string) {}
}
