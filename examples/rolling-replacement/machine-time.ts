/** Milliseconds of the monotonic clock that all programs of one machine share. */
export const machineTime = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000
