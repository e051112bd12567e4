/** What ends a command before it is done: a signal, or that nobody reads any more what it says. */
import { exitWith, type Stoppable, stopOnSignals } from '../signals.js'

export interface Leaving {
  /** The command is being ended; whoever began that ends the program, too. */
  readonly begun: boolean
}

export function leaveOnSignals(command: Stoppable, budgetMs?: number): Leaving {
  let begun = false
  const stop = (options: { budgetMs?: number } = { budgetMs }): Promise<unknown> => {
    begun = true
    return command.stop(options)
  }
  stopOnSignals({ stop }, { budgetMs, signals: ['SIGTERM', 'SIGINT', 'SIGHUP'] })
  process.stdout.on('error', () => {
    void stop().then(
      () => exitWith(0),
      () => exitWith(1),
    )
  })
  return {
    get begun() {
      return begun
    },
  }
}
