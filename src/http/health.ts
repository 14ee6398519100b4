// Liveness (the process answers) and readiness (it can serve: the store answers and no stop is under way).
/** Whether the server can serve now; never throws. `ready` gets two seconds. */
export async function isReady(ready: () => Promise<void>, isStopping: () => boolean): Promise<boolean> {
  if (isStopping()) return false;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>(resolve => (timer = setTimeout(resolve, 2000, false)));
  try {
    return await Promise.race([ready().then(() => true), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
