/** What a node logs of its connections: what its owner can put right is a warning, what may pass is not. */
import type { Clock } from '../base/clock.js'
import { messageOf } from '../base/describe.js'
import type { CitadelError } from '../base/errors.js'
import type { Logger } from '../base/log.js'
import { QuietLog } from '../base/quiet-log.js'
import type { PeerEnd } from './peer.js'

/** Of two nodes that dial each other at once one gives way; whoever hangs up knows why itself. */
const BY_DESIGN: ReadonlySet<string> = new Set(['simultaneous', 'already_connected', 'closed'])

/** Lines of one kind about links that were closed or came to nothing, in ten seconds. */
const ENDS_MAX = 10

export class LinkLog {
  private readonly quiet: QuietLog
  private readonly ends: QuietLog

  constructor(
    private readonly log: Logger,
    clock: Clock,
  ) {
    this.quiet = new QuietLog(log, clock)
    this.ends = new QuietLog(log, clock, ENDS_MAX)
  }

  /** An inbound connection came to nothing. */
  refused(reason: string, message: string): void {
    const what = `a connection was refused: ${message}`
    if (BY_DESIGN.has(reason)) this.log.debug(what)
    else this.quiet.warn(reason, what)
  }

  ended(node: string, end: PeerEnd): void {
    if (end.why === 'bad frame' || end.why === 'overflow') {
      const why = messageOf(end.error)
      this.ends.warn(end.why, `the connection to ${node} was closed (${end.why}): ${why}`)
    } else this.log.debug(`the connection to ${node} is gone (${end.why})`)
  }

  /** A dial that somebody waits for; `before` is why the last one failed. */
  dialFailed(error: CitadelError, before: CitadelError | undefined): void {
    const isPassing = error.code === 'noconnection' || error.code === 'timeout'
    // Its sentences name the node.
    if (isPassing || before?.code === error.code) this.log.debug(error.message)
    else this.ends.warn(error.code, error.message)
  }

  /** A node that is no member and must not be one. */
  turnedAway(why: string): void {
    this.ends.error('turned away', why)
  }
}
