/**
 * A server of the runtime that other members ask: whatever a request holds, it is answered or
 * refused, and the server goes on.
 */
import { CitadelError } from '../base/errors.js'
import { logFailure } from '../base/guard.js'
import { GenServer } from '../process/gen-server.js'
import { noReply } from '../process/request.js'
import { toOutcome } from './remote-outcome.js'

export abstract class MemberServer extends GenServer {
  /** Replies when the work is done, without keeping the next request waiting. */
  protected answer(work: () => Promise<unknown>): typeof noReply {
    const { from } = this
    toOutcome(this.guarded(work)).then((outcome) => from && this.citadel.reply(from, outcome))
    return noReply
  }

  /** An error of another kind is a fault of ours, or of what the request is made of. */
  private async guarded(work: () => Promise<unknown>): Promise<unknown> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof CitadelError) throw error
      logFailure(this.citadel.log, 'a request of another member', error)
      throw new CitadelError('bad_argument', 'The request could not be carried out.', {
        cause: error,
      })
    }
  }
}
