/** How a command ends: what it said is written out, its node is stopped, its status is given. */

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

/** Calls `leave` once, with the status that belongs to the signal, or 0 when nobody reads on. */
export function onSignals(leave: (status: number) => void): void {
  for (const [signal, status] of Object.entries(SIGNALS)) process.once(signal, () => leave(status))
  process.stdout.on('error', () => leave(0))
}

/** Ends the program, whatever timers and sockets of the user's are still open. */
export async function exitWith(status: number): Promise<never> {
  await Promise.all([process.stdout, process.stderr].map(written))
  process.exit(status)
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) resolve()
    else stream.write('', () => resolve())
  })
}
