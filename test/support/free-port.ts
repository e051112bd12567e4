/**
 * A port of the loopback interface that nobody listens on at this moment. Not one of those that the
 * system gives to outgoing connections: a test with many of them could lose it to one of its own.
 */
import { createServer } from 'node:net'

const FIRST = 20_000
const COUNT = 12_000

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    if (await isFree(port)) return port
  }
  throw new Error(`no port from ${FIRST} to ${FIRST + COUNT - 1} is free`)
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
