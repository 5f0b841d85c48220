/* Signals of a server process: the main thread waits for them, all others have them blocked.
 *
 * SIGTERM, SIGINT and SIGHUP (unless it is ignored, as under nohup) ask for an orderly end; so does
 * signals_ask_end() from any thread.  While it ends, a second signal ends the process at once, and so does
 * a limit of time.  Thread: main, unless said otherwise. */
#ifndef FLINC_JOBMANAGER_PROCESS_SIGNALS_H
#define FLINC_JOBMANAGER_PROCESS_SIGNALS_H

#include "common/base/error.h"
#include <stdint.h>

/* First thing, before threads are started: they inherit what is blocked. */
int signals_init(struct error *err) MUST_CHECK;
/* Thread: any.  Ends signals_wait() with this exit code; the first one counts. */
void signals_ask_end(int exit_code);
/* Waits; the signal's number, or 0 with the exit code that was asked for. */
int signals_wait(int *ret_exit_code);
/* From now on nobody waits longer than this for the end of the process. */
void signals_begin_end(int64_t limit_ms);

#endif
